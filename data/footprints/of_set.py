"""What `tiles.csv` beside a data set says of its tiles, read where it is there."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from data.cache import TileArray
from data.footprints.names import TILES_CSV, TILES_GPKG
from utils.imagery.labels import IGNORE_INDEX

if TYPE_CHECKING:  # with GDAL, PROJ and GEOS, which data sets without places do not need
    from data.footprints.counting import CountedOnce
    from data.footprints.records import TileRecord


def read_records(data_dir: Path) -> "Sequence[TileRecord]":
    """The records of a data set; none where there is no `tiles.csv` beside its `dataset.json`.

    Raises:
        DataError: `tiles.csv` cannot be used.
    """
    path = data_dir / TILES_CSV
    if not path.is_file() or not (data_dir / "dataset.json").is_file():
        return ()
    from data.footprints.records import read_tiles_csv

    return read_tiles_csv(path)


def read_counted_once(data_dir: Path, names: Sequence[str]) -> "CountedOnce | None":
    """Which pixels each tile of a list counts; None where there are no records.

    Args:
        data_dir: the data set's folder.
        names: the list; tiles of other lists do not matter, and a tile without a record counts all of its pixels.

    Raises:
        DataError: `tiles.csv` cannot be used.
    """
    records = read_records(data_dir)
    if not records:
        return None
    from data.footprints.counting import CountedOnce

    listed = set(names)
    return CountedOnce([record for record in records if record.name in listed])


def write_chosen(path: Path, data_dir: Path, records: "Sequence[TileRecord]", chosen: Collection[str]) -> None:
    """Write footprints that say which tiles were chosen, with the class shares of the data set's own `tiles.gpkg`.

    Args:
        path: the file; there is none where no tile has a place.
        data_dir: the data set's folder.
        records: of its tiles.
        chosen: names.

    Raises:
        OptionError: the folder cannot be written.
        DataError: the disk is full, or a tile's CRS cannot be brought to EPSG:4326.
    """
    if not any(record.has_place for record in records):
        return
    from data.footprints.records import read_shares, write_gpkg

    write_gpkg(path, records, read_shares(data_dir / TILES_GPKG), chosen)


class MasksCountedOnce:
    """Masks of a list in which a pixel of a scene has a class only in the tile that counts it, and is 255 in others.

    Args:
        masks: ids, uint8 (H, W) each.
        names: of their tiles.
        counted: which pixels each counts. Where a mask has another size than its tile in the scene, they are brought
            to it by nearest neighbour, as ids are.
    """

    def __init__(self, masks: TileArray, names: Sequence[str], counted: "CountedOnce") -> None:
        self._masks, self._names, self._counted = masks, names, counted

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, index: int) -> np.ndarray:
        return counted_once(self._masks[index], self._names[index], self._counted)


def counted_once(mask: np.ndarray, name: str, counted: "CountedOnce") -> np.ndarray:
    """A tile's mask, 255 where other tiles count its pixels; arguments as of `MasksCountedOnce`."""
    counts = counted.mask(name)
    if counts is None:
        return mask
    if counts.shape != mask.shape:
        size = mask.shape[1], mask.shape[0]
        counts = cv2.resize(counts.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
    return np.where(counts, mask, np.uint8(IGNORE_INDEX))
