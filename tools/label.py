"""Labelling with the tools that people draw in: tiles out, masks back, and how far it has come.

    python tools/label.py export --names NAMES.npy --data-dir datasets/town --to qgis --out town_round1
    python tools/label.py import --from town_round1/labels.gpkg --data-dir datasets/town
    python tools/label.py status --data-dir datasets/town

`export` writes the tiles, the classes and a page of instructions for qgis, cvat, label-studio, or any drawing program
(folder); with --checkpoint-dir, people begin with the model's map. `import` recognises what a tool wrote by its
content, and puts all masks in place or none. Beside the data set, asked.csv says which tiles were asked for, and
ledger.csv what their masks cost.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.options import label as label_options
from tools.cli.running import parse_first, run
from tools.settings.labelling import LabelExportSettings, LabelImportSettings, LabelStatusSettings


def parse_args(argv: list[str] | None = None) -> label_options.Settings:
    """The settings that the options of a sub-command describe."""
    return label_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

from collections.abc import Sequence

import cv2
import numpy as np

from data.labelling.exporting import PAGE, Draft, export_tiles
from data.labelling.importing import SPARSE, import_masks
from data.labelling.settings import LabelSetSettings
from data.labelling.status import status_of
from data.labelling.tiles import LabelTiles
from data.lists.splits import read_chosen
from model.run_files import require_classes
from model.trained import Trained
from tools.said.command_lines import typed_again
from tools.said.next_command import training
from utils.compute.device import choose_device
from utils.errors import warn
from utils.evaluation.settings import WindowSettings
from utils.evaluation.windows import largest_window
from utils.suggest import first_names

INCOMPLETE = 4  # exit code: imported, but some images of the source are no tiles of this set
_LISTED = 10  # names of a line of a report


def work(settings: label_options.Settings) -> int:
    """Export, import or report; returns the exit code."""
    match settings:
        case LabelExportSettings():
            export(settings)
        case LabelImportSettings():
            return import_(settings)
        case LabelStatusSettings():
            status(settings)
    return 0


# --- Export -----------------------------------------------------------------------------------------------------------


def export(settings: LabelExportSettings) -> None:
    """Write tiles for a labelling tool, and say how what is drawn comes back."""
    tiles, asked = LabelTiles.open(settings.data), settings.export
    draft = None if settings.checkpoint_dir is None else draft_maps(settings, tiles)
    report = export_tiles(tiles, asked, lambda back: "\n".join(commands(settings.data, back)), draft)
    print(f"tiles   {len(report.names)} for {asked.to}: {asked.out}")
    if draft is not None:
        print(f"drafts  {len(report.drafted)}, by {settings.checkpoint_dir}")
    if report.undrafted:
        print(
            f"        none for {listed(report.undrafted)} of test.txt or val.txt, whose scores would favour the model; "
            "--draft-scored gives them too"
        )
    if report.with_masks:
        print(f"masks   {listed(report.with_masks)} have one already, which import keeps unless --replace is given")
    for remark in report.remarks:
        print(f"note    {remark}")
    print(f"page    {asked.out / PAGE}: classes, keys, and how to open and save in the tool")
    print(f"next: label, then\n\n{commands(settings.data, report.back)[0]}")


def draft_maps(settings: LabelExportSettings, tiles: LabelTiles) -> Draft:
    """The maps of a run, of tiles at the size of their files.

    Raises:
        OptionError: there is no run, or it is of other classes than the data set.
        DataError: its checkpoint cannot be used.
    """
    assert settings.checkpoint_dir is not None
    network = Trained.open(
        settings.checkpoint_dir, device=choose_device(settings.machine), precision=settings.machine.precision
    )
    require_classes(network.record, tiles.description.classes, settings.checkpoint_dir / "options.json")

    def draft(name: str) -> np.ndarray:
        height, width = tiles.size(name)
        has_size = tiles.description.tile_size is not None
        image = tiles.reader.image(name) if has_size else tiles.reader.image_as_filed(name)
        ids = likeliest(network, image)
        if ids.shape == (height, width):
            return ids
        return cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)

    return draft


def likeliest(network: Trained, image: np.ndarray) -> np.ndarray:
    """Class ids, uint8 (H, W), of a tile (H, W, C); in one window where nobody says how large training tiles were."""
    window = largest_window(network.record.crop, network.tile_size) or image.shape[:2]
    return network.predict(image, WindowSettings(window))


def commands(data: LabelSetSettings, source: str) -> tuple[str, str]:
    """What brings back what was drawn, and what says how far it has come."""
    dataset = [] if data.dataset.lower() == "custom" else ["--dataset", data.dataset]
    of_set = ["--data-dir", str(data.data_dir), *dataset]
    return typed_again("label.py", ["import", "--from", source, *of_set]), typed_again("label.py", ["status", *of_set])


# --- Import -----------------------------------------------------------------------------------------------------------


def import_(settings: LabelImportSettings) -> int:
    """Put masks in place, and say what came, what was kept, and what is missing; returns the exit code."""
    tiles = LabelTiles.open(settings.data)
    report = import_masks(tiles, settings.source)
    for remark in report.remarks:
        warn(remark)
    print(f"masks   {len(report.imported)} from {report.tool}: {tiles.reader.mask_path('…').parent}")
    for label, names, remark in (
        ("kept", report.kept, "had a mask already; --replace replaces them"),
        ("empty", report.empty, "nobody drew on them, so that they have no mask"),
        ("sparse", report.sparse, f"are drawn on in less than {SPARSE:.0%}; once finished, import with --replace"),
        ("drafts", report.drafted, "began as a draft of a model"),
        ("scored", report.scored_drafts, "of these are in test.txt or val.txt, where scores favour the model"),
        ("unasked", report.unasked, "were not exported before; imported all the same"),
        ("unknown", report.strangers, "are images of no tile of this data set; left out"),
        ("missing", report.missing, "were asked for and have no mask yet"),
    ):
        if names:
            print(f"{label:<7} {listed(names)}: {remark}")
    if report.minutes is not None:
        print(f"minutes {report.minutes:.1f}")
    data_list = settings.data.data_dir / "train.txt"
    if report.imported and data_list.is_file():
        dataset, labels = settings.data.dataset.lower(), {"--labelled": "all-masks"}
        print(training(dataset, settings.data.data_dir, data_list, tiles.description, labels))
    return INCOMPLETE if report.strangers else 0


def listed(names: Sequence[str]) -> str:
    """How many names there are, and the first of them."""
    return f"{len(names)} ({first_names(names, _LISTED)})"


# --- Status -----------------------------------------------------------------------------------------------------------


def status(settings: LabelStatusSettings) -> None:
    """Print how far labelling has come."""
    tiles = LabelTiles.open(settings.data)
    names = [] if settings.names is None else read_chosen(settings.names, tiles.description)
    found = status_of(tiles, names)
    if not found.chosen:
        print("no tile was asked for yet; export some, or give --names")
        return
    rounds = f" in {found.rounds} round{'s' if found.rounds > 1 else ''}" if found.rounds else ""
    print(
        f"chosen  {len(found.chosen)} tiles{rounds}: {len(found.with_masks)} with masks, {len(found.without)} without"
    )
    if found.without:
        print(f"missing {first_names(found.without, _LISTED)}")
    if found.drafted:
        print(f"drafts  {len(found.drafted)} of {len(found.with_masks)} masks began as a draft of a model")
    if found.with_masks:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in found.shares.items() if share)
        print(f"classes {shares or 'none'}; {found.labelled:.1%} of the pixels are labelled")
        if absent := [name for name, share in found.shares.items() if not share]:
            print(f"        none yet of {first_names(absent, _LISTED)}")
    if found.timed:
        each = found.minutes / found.timed
        print(f"minutes {found.minutes:.1f} for {found.timed} masks whose time is known, {each:.1f} each")
    if found.scene_minutes:
        print(f"        {found.scene_minutes:.1f} for scene labels")
    if found.without and found.forecast is not None:
        print(f"ahead   about {found.forecast:.0f} minutes for the other {len(found.without)}, if they take as long")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(work, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
