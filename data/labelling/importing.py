"""From what a tool wrote to masks of a data set: all of them, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.decoding.masks import read_ids
from data.labelling.asked import AskedRow, read_asked
from data.labelling.classes import ToolClasses
from data.labelling.encoding import check_can_be_written, encode_mask
from data.labelling.ledger import LEDGER_CSV, MASK, LedgerRow, ledger_text, now, read_ledger
from data.labelling.placing import Placement, locked
from data.labelling.settings import SourceSettings
from data.labelling.sources.drawing import Drawing, Source
from data.labelling.sources.recognising import opened
from data.labelling.sources.vectors import POLYGONS
from data.labelling.tiles import LabelTiles
from utils.errors import DataError
from utils.imagery.labels import IGNORE_INDEX
from utils.progress import progress
from utils.suggest import first_names

SPARSE = 0.1  # share of a tile below which its mask may have been begun only


@dataclass
class ImportReport:
    """What an import did.

    Attributes:
        tool: that the masks are from.
        imported, kept, empty: tiles that got a mask; that have one, which was kept; on which nothing was drawn.
        drafted: those of the imported ones that began as a draft of a model.
        scored_drafts: those of these that are in the lists on which networks are judged.
        sparse: imported tiles of which little is drawn.
        unasked: imported tiles that nobody asked for.
        strangers: images in the source that are no tiles of this set.
        missing: tiles that were asked for and still have no mask.
        minutes: that the imported masks took; None where nobody knows.
        remarks: lines on the source.
    """

    tool: str
    imported: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    drafted: list[str] = field(default_factory=list)
    scored_drafts: list[str] = field(default_factory=list)
    sparse: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    minutes: float | None = None
    remarks: list[str] = field(default_factory=list)


def import_masks(tiles: LabelTiles, settings: SourceSettings) -> ImportReport:
    """Put what was drawn where the data set's masks lie, and note in the ledger what it cost.

    Pixels that nobody drew on have no class. Everything is read and checked before the first mask is put in place.

    Args:
        tiles: the data set.
        settings: the source, and what becomes of masks that are there.

    Raises:
        OptionError: there is no such source, or the data set's folder cannot be written.
        DataError: the source is damaged, of other tiles, sizes or classes; or the disk is full.
    """
    check_can_be_written(tiles.description)
    asked, before = read_asked(tiles.data_dir), read_ledger(tiles.data_dir)
    classes = ToolClasses(tiles.description, settings.ignore_classes)
    wanted = [name for name in asked if name in tiles.names] or sorted(tiles.names)
    scored = tiles.scored_names()
    with locked(tiles.data_dir), opened(settings, classes, tiles, wanted) as source:
        drawings, strangers = _by_tile(source, tiles, settings.from_)
        _check_sizes(drawings, tiles)
        report = ImportReport(source.tool, strangers=strangers, remarks=list(source.remarks))
        with Placement() as placement:
            _stage(placement, drawings, tiles, settings.replace, report)
            _judge(report, asked, tiles, source, scored)
            rows = _rows(report, drawings, asked, before, settings.minutes)
            if rows:
                placement.stage(tiles.data_dir / LEDGER_CSV, ledger_text([*before, *rows]).encode())
                placement.commit()
    report.missing = [name for name in asked if not tiles.reader.has_mask(name)]
    return report


def _by_tile(source: Source, tiles: LabelTiles, path: Path) -> tuple[dict[str, Drawing], list[str]]:
    """Drawings by tile, and images that are no tiles.

    Raises:
        DataError: none is a tile, or two are the same one.
    """
    found: dict[str, Drawing] = {}
    strangers = []
    for drawing in source.drawings:
        name = tiles.find(drawing.image)
        if name is None:
            strangers.append(drawing.image)
        elif name in found:
            raise DataError(
                f"{path}: '{found[name].image}' and '{drawing.image}' are both of tile '{name}'; leave one of them out"
            )
        else:
            found[name] = drawing
    if not found:
        some = f" ({first_names(strangers)})" if strangers else ""
        raise DataError(
            f"{path}: none of its {len(strangers)} images{some} is a tile of {tiles.data_dir}, whose tiles are "
            f"{first_names(sorted(tiles.names))}; give the export of this data set, with images named as they were"
        )
    return found, strangers


def _check_sizes(drawings: Mapping[str, Drawing], tiles: LabelTiles) -> None:
    """Refuse drawings on images of other sizes than their tiles.

    Raises:
        DataError: says how many, and of the first which sizes.
    """
    sizes = {name: drawing.size for name, drawing in drawings.items() if drawing.size is not None}
    faults = [fault for name, size in sizes.items() if (fault := tiles.misfit(name, size)) is not None]
    if faults:
        first = faults[0].partition(";")[0]
        raise DataError(
            f"{len(faults)} of {len(drawings)} masks have another size than their tile: {first}; label the images as "
            "they were exported, and export masks at full size"
        )


def _stage(
    placement: Placement, drawings: Mapping[str, Drawing], tiles: LabelTiles, replaces: bool, report: ImportReport
) -> None:
    """Decode every drawing, and stage the masks that are to be put in place."""
    grids = progress(drawings.items(), len(drawings), "reading masks", "mask")
    for name, drawing in grids:
        ids = drawing.draw(tiles.grid(name))
        ids[np.isin(ids, list(tiles.description.ignore_ids))] = IGNORE_INDEX
        if (ids == IGNORE_INDEX).all():
            report.empty.append(name)
        elif tiles.reader.has_mask(name) and not replaces:
            report.kept.append(name)
        else:
            path = tiles.reader.mask_path(name)
            staged = placement.stage(path, encode_mask(ids, tiles.description))
            _check_reads_back(staged, path, ids, tiles)
            report.imported.append(name)
            if np.count_nonzero(ids != IGNORE_INDEX) < SPARSE * ids.size:
                report.sparse.append(name)


def _check_reads_back(staged: Path, path: Path, ids: np.ndarray, tiles: LabelTiles) -> None:
    """A data set's own description may contradict itself, such as by a class with the colour of none.

    Raises:
        DataError: the file would be read otherwise.
    """
    found = read_ids(staged, tiles.description).ids
    if found.shape != ids.shape or (found != ids).any():
        wrong = int(np.count_nonzero(found != ids)) if found.shape == ids.shape else ids.size
        raise DataError(f"{path} would read back with {wrong:,} other pixels; check dataset.json")


def _judge(
    report: ImportReport, asked: Mapping[str, AskedRow], tiles: LabelTiles, source: Source, scored: set[str]
) -> None:
    """What the report says of the tiles beside their number."""
    drafts = {name for name, row in asked.items() if row.draft}
    if source.tool == POLYGONS:
        report.empty = []  # tiles that polygons only come near
        if drafts:  # whose polygons lie on all tiles that share their ground
            drafts |= set(tiles.overlapping(report.imported, drafts))
    report.drafted = [name for name in report.imported if name in drafts]
    report.scored_drafts = [name for name in report.drafted if name in scored]
    report.unasked = [name for name in report.imported if asked and name not in asked]


def _rows(
    report: ImportReport,
    drawings: Mapping[str, Drawing],
    asked: Mapping[str, AskedRow],
    before: Sequence[LedgerRow],
    together: float | None,
) -> list[LedgerRow]:
    """Lines of the ledger for the imported masks.

    A tool that tells the time tells all that a task has taken so far: what an earlier line holds is not counted again.
    """
    rows, when = [], now()
    for name in report.imported:
        minutes = drawings[name].minutes
        if minutes is None:
            minutes = None if together is None else together / len(report.imported)
        else:
            counted = sum(r.minutes or 0 for r in before if (r.name, r.kind, r.source) == (name, MASK, report.tool))
            minutes = max(0.0, minutes - counted)
        minutes = None if minutes is None else round(minutes, 2)
        number = asked[name].round if name in asked else 0
        rows.append(LedgerRow(number, name, MASK, report.tool, name in report.drafted, minutes, when))
    known = [row.minutes for row in rows if row.minutes is not None]
    report.minutes = sum(known) if known else None
    return rows
