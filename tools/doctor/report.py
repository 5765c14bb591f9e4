"""The doctor: look at a data set, its lists, weights and machine before a run is started.

    python tools/prepare_data.py check --dataset ucm --data-dir datasets/ucm --data-list datasets/ucm/train.txt \\
        --test-list datasets/ucm/test.txt

Prints one line for each point: ok, warn (worth a look), FAIL (a run would end with an error or with wrong scores) or
- (nothing to look at). Ends with exit code 1 where a point fails. Draws one tile with its classes to check.png.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from data.checking import class_checks, file_checks, list_checks
from data.checking.findings import Finding
from data.checking.picture import draw_tile
from data.checking.surveyed_set import SurveyedSet
from tools.doctor import run_checks
from tools.settings.upkeep import CheckSettings
from utils.compute.device import choose_device
from utils.drawing.pictures import save_picture
from utils.errors import DataError
from utils.runs.files import make_folder
from utils.settings import SettingsError

CHECKS_OF_DATA: Sequence[Callable[[SurveyedSet], Finding]] = (
    file_checks.files, file_checks.decodable, file_checks.sizes, file_checks.modes, class_checks.palette,
    class_checks.classes, class_checks.class_count, class_checks.scene_labels, list_checks.overlap,
    list_checks.scenes, list_checks.distances, list_checks.names_array,
)  # fmt: skip
CHECKS_OF_RUNS: Sequence[Callable[[SurveyedSet, CheckSettings], Finding]] = (
    run_checks.weights, run_checks.perfect_score, run_checks.disk_space, run_checks.machine,
)  # fmt: skip
COLOURS = {"ok": "\x1b[32m", "warn": "\x1b[33m", "FAIL": "\x1b[31m", "-": "\x1b[90m"}


def check(settings: CheckSettings) -> None:
    """Look at every point, draw the picture, print the findings.

    Raises:
        OptionError: a path that does not exist.
        DataError: a list of names cannot be read, or a point fails.
    """
    check_paths(settings)
    choose_device(settings.machine)  # refuses a device that is not there, before all files are read
    surveyed = SurveyedSet.of(
        settings.data, settings.test_list, settings.val_list, settings.active_learning_images_array
    )
    findings = [look_at(surveyed) for look_at in CHECKS_OF_DATA]
    findings += [look_at(surveyed, settings) for look_at in CHECKS_OF_RUNS]
    picture = draw_tile(surveyed)
    if picture is not None:
        save_picture(settings.out, picture)
    if settings.json:
        print(as_json(surveyed, findings, settings.out if picture else None))
    else:
        print(as_text(findings, in_colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
        print(f"one tile, its mask and its classes: {settings.out}" if picture else "no tile to draw")
    sys.stdout.flush()
    if getattr(sys.stdout, "error", None) is not None:  # here what is printed is the result
        raise DataError("the findings could not be printed; give a standard output that takes them")
    failed = [finding.point for finding in findings if finding.level == "FAIL"]
    if failed:
        raise DataError(f"{len(failed)} of {len(findings)} points fail: {', '.join(failed)}; mend what they name")


def check_paths(settings: CheckSettings) -> None:
    """Refuse what would be found only after all files were read.

    Raises:
        SettingsError: a path that does not exist, or a folder in place of a file.
    """
    source = settings.restore_from
    weights = None if source is None or source.lower() == "none" else Path(source)
    names = settings.active_learning_images_array
    for field, path in (("active_learning_images_array", names), ("restore_from", weights)):
        if path is not None and not path.exists():
            raise SettingsError(f"{{{field}}} {{}} does not exist; check the path", path)
    if settings.out.is_dir():
        raise SettingsError("{out} {} is a folder; give a file for the picture", settings.out)
    make_folder(settings.out.parent)


def as_text(findings: Sequence[Finding], in_colour: bool) -> str:
    """The findings, one line each, details indented below."""
    lines = []
    for finding in findings:
        level = f"{finding.level:<5}"
        if in_colour:
            level = f"{COLOURS[finding.level]}{level}\x1b[0m"
        lines.append(f"{level} {finding.point:<14} {finding.text}")
        lines += [f"{'':<21}{detail}" for detail in finding.details]
    counts = Counter(finding.level for finding in findings)
    lines.append(f"{counts['ok']} ok, {counts['warn']} warn, {counts['FAIL']} FAIL, {counts['-']} not looked at")
    return "\n".join(lines)


def as_json(surveyed: SurveyedSet, findings: Sequence[Finding], picture: Path | None) -> str:
    """The findings with their figures."""
    levels = [finding.level for finding in findings]
    worst = next(level for level in ("FAIL", "warn", "ok", "-") if level in levels)
    record = {
        "dataset": surveyed.data.dataset,
        "data_dir": str(surveyed.data.data_dir),
        "tiles": len(surveyed.tiles),
        "level": worst,
        "picture": str(picture) if picture else None,
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
