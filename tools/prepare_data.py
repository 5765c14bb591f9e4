"""Prepare a data folder: tiles, dataset.json where it is needed, and the lists train.txt, test.txt and val.txt.

    python tools/prepare_data.py demo --out datasets/demo
    python tools/prepare_data.py ucm --images UCMerced_LandUse.zip --masks DLRSD.zip --out datasets/ucm
    python tools/prepare_data.py deepglobe --source deepglobe.zip --out datasets/deepglobe
    python tools/prepare_data.py scenes --images scenes/images --masks scenes/masks --palette palette.json
        --tile-size 320 --out datasets/town
    python tools/prepare_data.py check --dataset ucm --data-dir datasets/ucm --data-list datasets/ucm/train.txt
    python tools/prepare_data.py cache --data-dir datasets/ucm

Files are linked, not copied, where the source is a folder. The same command again changes nothing. `check` looks for
mistakes in a folder, its lists, weights and the machine. `cache` shows what is kept of decoded tiles, and clears it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from data.preparing.settings import DeepGlobeSettings, DemoSettings, PreparationSettings, ScenesSettings, UCMSettings
from tools.cli.options import prepare as prepare_options
from tools.cli.running import parse_first, run
from tools.settings.upkeep import CacheReportSettings, CheckSettings


def parse_args(argv: list[str] | None = None) -> prepare_options.Settings:
    """The settings that the options of a sub-command describe."""
    return prepare_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

from data.dataset_json import load_description
from data.lists.splits import read_names
from data.preparing.downloads import prepare_deepglobe, prepare_demo, prepare_ucm
from data.preparing.folder import Report
from data.preparing.scenes import prepare_scenes
from data.reader import TileReader
from tools.doctor import report as doctor
from tools.said.cached_tiles import look_at_cache
from tools.said.command_lines import NextStep
from tools.said.next_choice import choosing
from tools.said.next_command import fitting_ratio, training


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(work, parse_args, argv)


def work(settings: prepare_options.Settings) -> None:
    """Prepare a data folder, check one, or look at its decoded tiles."""
    if isinstance(settings, CheckSettings):
        doctor.check(settings)
    elif isinstance(settings, CacheReportSettings):
        look_at_cache(settings)
    else:
        prepare(settings)


def prepare(settings: PreparationSettings) -> None:
    """Prepare one data folder, say what was found, and print the next command."""
    out, report = settings.target.out, build(settings)
    print(f"{out} {'is ready' if report.is_new else 'is up to date, nothing to do'}", file=sys.stderr)
    print("\n".join(report.found))
    following = next_step(settings.dataset, out)
    print("\n".join([f"next:   {following.command}", *(f"# {note}" for note in following.notes)]))


def build(settings: PreparationSettings) -> Report:
    """Prepare the folder from the source that the settings are of."""
    target = settings.target
    match settings:
        case DemoSettings():
            return prepare_demo(settings.tiles_per_class, target)
        case UCMSettings():
            return prepare_ucm(settings.images, settings.masks, target)
        case DeepGlobeSettings():
            return prepare_deepglobe(settings.source, settings.class_map, target)
        case ScenesSettings():
            what = (settings.images, settings.masks, settings.pixel_classes(), settings.cut, target)
            return prepare_scenes(*what, settings.reading, settings.polygons, settings.match)


# --- The next command -------------------------------------------------------------------------------------------------


def next_step(dataset: str, data_dir: Path) -> NextStep:
    """What to run on a prepared folder: the active learner, or where there are masks but no scene classes, s4GAN."""
    description = load_description(dataset, data_dir)
    data_list = data_dir / "train.txt"
    names, reader = read_names(data_list, description), TileReader(description, data_dir, (0, 0))
    with_masks = sum(reader.has_mask(name) for name in names)
    if description.scene_classes or not with_masks:
        return choosing(dataset, data_dir, data_list, description)
    labels = {"--labeled-ratio": fitting_ratio(len(names), with_masks)}
    return training(dataset, data_dir, data_list, description, labels)


if __name__ == "__main__":
    raise SystemExit(main())
