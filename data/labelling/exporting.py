"""Tiles and their classes in a form that a labelling tool opens, with instructions, in a folder put in place whole."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.labelling.asked import ASKED_CSV, ask, asked_text, read_asked
from data.labelling.classes import ToolClasses
from data.labelling.encoding import check_can_be_written
from data.labelling.ledger import now
from data.labelling.placing import Placement, locked
from data.labelling.settings import TargetSettings
from data.labelling.sources.recognising import MANIFEST
from data.labelling.targets.cvat import CvatTarget
from data.labelling.targets.folder import FolderTarget
from data.labelling.targets.instructions import instructions
from data.labelling.targets.label_studio import LabelStudioTarget
from data.labelling.targets.qgis import QgisTarget
from data.labelling.targets.target import ExportedTile, Target
from data.labelling.tiles import LabelTiles, require_known
from data.lists.splits import read_chosen
from utils.imagery.labels import IGNORE_INDEX
from utils.paths import private_name
from utils.progress import progress
from utils.runs.files import make_folder, storage_errors, write_json, write_text
from utils.settings import SettingsError

TARGETS: dict[str, type[Target]] = {
    "qgis": QgisTarget,
    "cvat": CvatTarget,
    "label-studio": LabelStudioTarget,
    "folder": FolderTarget,
}
PAGE = "instructions.html"

Draft = Callable[[str], np.ndarray]  # the model's map of a tile at the size of its file: ids, uint8 (H, W)


@dataclass(frozen=True)
class ExportReport:
    """What an export did.

    Attributes:
        names: the tiles.
        drafted: those that have a draft.
        undrafted: those that have none because networks are judged on them.
        with_masks: those that have a mask already.
        back: what is to be imported later.
        remarks: lines on how tiles were written.
    """

    names: Sequence[str]
    drafted: Sequence[str]
    undrafted: Sequence[str]
    with_masks: Sequence[str]
    back: str
    remarks: Sequence[str]


def export_tiles(
    tiles: LabelTiles, settings: TargetSettings, commands: Callable[[str], str], draft: Draft | None = None
) -> ExportReport:
    """Write the folder for a labelling tool, and note beside the data set which tiles were asked for.

    Args:
        tiles: the data set.
        settings: which tiles, which tool, and the folder.
        commands: lines for the page of instructions: what brings back what is drawn, given its path, and what says how
            far it has come.
        draft: makes the map of a tile that people begin with; None: they begin with nothing.

    Raises:
        OptionError: the folder holds something or cannot be written, or there is no file of names.
        DataError: a tile is not there or cannot be read, or a class's name is not possible in the tool.
    """
    names = read_chosen(settings.names, tiles.description)
    require_known(names, tiles, settings.names)
    check_can_be_written(tiles.description)
    classes = ToolClasses(tiles.description)
    scored = set() if draft is None or settings.draft_scored else tiles.scored_names()
    drafted = [name for name in names if draft is not None and name not in scored]
    before = read_asked(tiles.data_dir)
    with locked(tiles.data_dir), _made_whole(settings.out) as folder, Placement() as placement:
        target = TARGETS[settings.to](folder, classes, [(name, tiles.grid(name)) for name in names], bool(drafted))
        for name in progress(names, len(names), "exporting", "tile"):
            ids = None
            if draft is not None and name not in scored:
                ids = draft(name)
                ids = np.where(np.isin(ids, classes.ids), ids, np.uint8(IGNORE_INDEX))
            target.add(ExportedTile(name, tiles.picture(name), ids))
        target.finish()
        back = target.back(settings.out)
        title = tiles.description.title or tiles.description.name
        page = instructions(title, settings.to, classes, target, len(names), commands(back), bool(drafted))
        write_text(folder / PAGE, page)
        write_json(folder / MANIFEST, _manifest(settings, title, names, drafted))
        table = ask(before, names, settings.to, set(drafted))
        placement.stage(tiles.data_dir / ASKED_CSV, asked_text(table.values()).encode())
        placement.commit()
    undrafted = [name for name in names if name in scored]
    with_masks = [name for name in names if tiles.reader.has_mask(name)]
    return ExportReport(names, drafted, undrafted, with_masks, back, target.remarks)


def _manifest(settings: TargetSettings, title: str, names: Sequence[str], drafted: Sequence[str]) -> dict[str, object]:
    has_draft = set(drafted)
    entries = [{"name": name, "draft": name in has_draft} for name in names]
    return {"version": 1, "to": settings.to, "dataset": title, "time": now(), "tiles": entries}


@contextmanager
def _made_whole(out: Path) -> Iterator[Path]:
    """A folder that takes the name `out` at the end of the block, or vanishes with an error.

    Raises:
        OptionError: something is there already, or the folder cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError("{out} {} {}; give a new folder", out, "holds files" if out.is_dir() else "is a file")
    make_folder(out.absolute().parent)
    private = private_name(out.absolute())
    try:
        make_folder(private)
        yield private
        with storage_errors(out):
            if out.is_dir():
                out.rmdir()
            private.rename(out)
    finally:
        shutil.rmtree(private, ignore_errors=True)
