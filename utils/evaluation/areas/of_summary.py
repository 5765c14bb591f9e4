"""What a `summary.json` keeps of an evaluation so that the areas of any map can be adjusted later."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from utils.errors import DataError
from utils.evaluation.areas.resampled import adjusted_areas_of_units
from utils.evaluation.areas.units import Units
from utils.runs.files import read_json
from utils.suggest import first_names

KEY = "confusion"
_UNIT = re.compile(r"(\d+>\d+:\d+( \d+>\d+:\d+)*)?")  # true>mapped:pixels


class AreaRow(NamedTuple):
    """A class of a map: its name, mapped area, adjusted area and the ends of its 95 % interval, None without one."""

    name: str
    mapped: float
    area: float
    low: float | None
    high: float | None


class AreasOfMap(NamedTuple):
    """The classes of a map in the order of their ids, the share that is mapped right, and what has to be said."""

    rows: tuple[AreaRow, ...]
    overall: float
    notes: tuple[str, ...]


def confusion_summary(units: Units, classes: Sequence[str], path: str, is_optimistic: bool) -> dict[str, Any]:
    """Confusion as `summary.json` keeps it, under `KEY`.

    Args:
        units: of the list.
        classes: in the order of their ids.
        path: the list.
        is_optimistic: whether the checkpoint was chosen on it, or learned from it.
    """
    few = units.put_together()
    return {
        "list": path,
        "optimistic": is_optimistic,
        "classes": list(classes),
        "rows": "truth",
        "counts": units.total.astype(np.int64).tolist(),
        "unit": units.unit,
        "units": units.number,
        "units_with_truth": units.with_truth.tolist(),
        "units_with_map": units.with_map.tolist(),
        "of_units": [_as_text(counts) for counts in few.counts],  # "true>mapped:pixels …" each, to be resampled
    }


def adjusted_areas_of_summary(
    summary: Mapping[str, Any] | Path | str, mapped: Mapping[str, float], resamples: int = 1000, seed: int = 0
) -> AreasOfMap:
    """Adjusted areas of a map, by what an evaluation of the same network found.

    Args:
        summary: content or path of the `summary.json` of `tools/auto_evaluate.py`.
        mapped: area that the map gives each class, by name, in any unit; a class that is not there has none.
        resamples, seed: of the bootstrap.

    Raises:
        DataError: the summary cannot be used or is of other classes, or the areas are none.
    """
    source = "the summary" if isinstance(summary, Mapping) else str(summary)
    content = summary if isinstance(summary, Mapping) else read_json(Path(summary))
    classes, units = _read(content, source)
    if other := [name for name in mapped if name not in classes]:
        raise DataError(
            f"the map has the classes {first_names(map(repr, other), 3)}, which {source} does not know; give the "
            f"summary of an evaluation with the map's classes (it has {first_names(map(repr, classes), 6)})"
        )
    found = adjusted_areas_of_units(units, [mapped.get(name, 0.0) for name in classes], resamples, seed)
    columns = zip(classes, found.mapped, found.areas, found.ends, strict=True)
    rows = tuple(AreaRow(name, area, true, low, high) for name, area, true, (low, high) in columns)
    notes = [*_notes(content[KEY]), *([f"adjusted areas: {found.why_none}"] if found.why_none else [])]
    if found.as_mapped:
        names = first_names((repr(classes[index]) for index in found.as_mapped), 3)
        notes.append(f"never predicted on {content[KEY].get('list')}, so their areas are not adjusted: {names}")
    return AreasOfMap(rows, found.overall, tuple(notes))


def _notes(confusion: Mapping[str, Any]) -> list[str]:
    if not confusion.get("optimistic"):
        return []
    return [
        f"the confusion is of {confusion.get('list')}, on which the checkpoint was chosen or learned: it is "
        "optimistic, and areas are adjusted by too little"
    ]


def _as_text(counts: np.ndarray) -> str:
    true, mapped = np.nonzero(counts)
    return " ".join(f"{t}>{m}:{int(counts[t, m])}" for t, m in zip(true.tolist(), mapped.tolist(), strict=True))


def _read(summary: Mapping[str, Any], source: str) -> tuple[list[str], Units]:
    """The classes, and what is resampled.

    Raises:
        DataError: there is none, or it is damaged.
    """
    raw = summary.get(KEY)
    if raw is None:
        what = "is no summary of tools/auto_evaluate.py, or one from before it kept them"
        raise DataError(f"{source} holds no confusion of classes ({what}); evaluate the checkpoint again")
    try:
        return _classes_and_units(raw)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise DataError(f"{source}: `{KEY}` is damaged; evaluate the checkpoint again") from error


def _classes_and_units(raw: Mapping[str, Any]) -> tuple[list[str], Units]:
    classes, number, unit, texts = [*raw["classes"]], raw["units"], raw["unit"], [*raw["of_units"]]
    with_truth, with_map = (np.array(raw[key], np.int64) for key in ("units_with_truth", "units_with_map"))
    counts = np.zeros((len(texts), len(classes), len(classes)))
    for matrix, text in zip(counts, texts, strict=True):
        if not _UNIT.fullmatch(text):
            raise ValueError(text)
        for cell in text.split():
            true, mapped, pixels = map(int, re.split("[>:]", cell))
            matrix[true, mapped] = pixels
    is_named = all(isinstance(name, str) for name in classes) and isinstance(unit, str) and type(number) is int
    is_whole = np.array_equal(counts.sum(axis=0), np.array(raw["counts"], np.int64))
    if not is_named or not is_whole or not with_truth.shape == with_map.shape == (len(classes),):
        raise ValueError("does not fit together")
    return classes, Units(counts, unit, number, with_truth, with_map)
