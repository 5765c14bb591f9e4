"""The tiles that people label: their names in files of tools, their pictures, sizes and places."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import shapely

from data.dataset_json import load_description
from data.decoding.images import misfit
from data.decoding.orientation import Size
from data.decoding.palette_files import named_files
from data.descriptions import Description
from data.footprints.of_set import read_records
from data.footprints.records import TileRecord
from data.labelling.settings import LabelSetSettings
from data.lists.splits import read_names, tile_name
from data.rasters.places.grids import Grid, outline_in
from data.rasters.scene import RasterScene
from data.reader import TileReader
from utils.errors import DataError
from utils.settings import SettingsError

_SCORED = ("test.txt", "val.txt")  # lists beside a data set on which networks are judged
_SHARED = 1e-6  # of a tile's area, from which on it counts as overlapping: neighbours only touch
_UPLOADED = re.compile(r"[0-9a-f]{6,8}-")  # what Label Studio puts before the name of a file that it is given


@dataclass(frozen=True)
class LabelTiles:
    """The tiles of a data set, at the size of their files.

    Attributes:
        reader: reads them; a tile has its size in the file there.
    """

    reader: TileReader

    @classmethod
    def open(cls, settings: LabelSetSettings) -> "LabelTiles":
        """The tiles of a data set.

        Raises:
            OptionError: no such folder, or a custom set without its `dataset.json`.
            DataError: `dataset.json` cannot be used.
        """
        if not settings.data_dir.is_dir():
            raise SettingsError("{data_dir} {} is not a folder; give the data set's folder", settings.data_dir)
        side = (description := load_description(settings.dataset, settings.data_dir)).tile_size or 0
        return cls(TileReader(description, settings.data_dir, (side, side)))

    @property
    def description(self) -> Description:
        """What the data set is."""
        return self.reader.description

    @property
    def data_dir(self) -> Path:
        """The data set's folder."""
        return self.reader.data_dir

    @cached_property
    def names(self) -> frozenset[str]:
        """All tiles whose image is there."""
        return frozenset(name for name, _ in named_files(self.data_dir, self.description.images))

    def size(self, name: str) -> Size:
        """Height and width of a tile's image as people see it."""
        return self.reader.image_header(name).size

    def picture(self, name: str) -> np.ndarray:
        """A tile's bands that are shown, RGB, uint8, shape (H, W, 3)."""
        return self.description.bands.as_shown(self.reader.image_as_filed(name))

    def grid(self, name: str) -> Grid:
        """A tile's pixels and where on Earth they lie: as its file says, else `tiles.csv`; without a CRS, nowhere."""
        path, size = self.reader.image_path(name), self.size(name)
        record = self._records.get(name)
        if not self.reader.image_header(name).is_turned:
            with RasterScene.open(path) as scene:
                place = scene.place
            if place is not None and place.crs and place.gcps is None:
                return Grid(path, size, place.crs, place.transform)
        if record is not None and record.has_place and (record.height, record.width) == size:
            return Grid(path, size, record.crs, record.transform)
        return Grid(path, size)

    @cached_property
    def _records(self) -> dict[str, TileRecord]:
        return {record.name: record for record in read_records(self.data_dir)}

    def overlapping(self, names: Sequence[str], others: Collection[str]) -> list[str]:
        """Those of some tiles that share ground with one of the others; tiles without a place share none."""
        grids = {name: self.grid(name) for name in {*names, *others} & self.names}
        placed = {name: grid for name, grid in grids.items() if grid.crs and grid.transform}
        if not placed:
            return []
        crs = next(iter(placed.values())).crs
        areas = {name: shapely.Polygon(outline_in(grid, crs)) for name, grid in placed.items()}
        tree = shapely.STRtree(known := [areas[name] for name in others if name in areas])

        def shares(area: shapely.Polygon) -> bool:
            return any((area & known[near]).area > _SHARED * area.area for near in tree.query(area))

        return [name for name in names if name in areas and shares(areas[name])]

    def misfit(self, name: str, size: Size) -> str | None:
        """Why something drawn on an image of a size cannot belong to a tile; None where it can."""
        own = self.size(name)
        return misfit(Path(name), size, own, self.description.size_tolerance)

    def scored_names(self) -> set[str]:
        """Tiles of the lists on which networks are judged: a mask that began as a draft favours the model that drew it.

        Raises:
            DataError: a list cannot be used.
        """
        paths = [self.data_dir / name for name in _SCORED]
        return {name for path in paths if path.is_file() for name in read_names(path, self.description)}

    # --- Names in files of tools ---

    def find(self, text: str) -> str | None:
        """The tile that a tool means by an image's path, address or name; None where it is none of this set.

        Folders before the name, endings, and what Label Studio puts before names of uploaded files do not matter.
        """
        for candidate in _candidates(text):
            for name in (tile_name(candidate, self.description), candidate):
                if name in self.names:
                    return name
        last = [tile_name(candidate, self.description) for candidate in _candidates(text)][-2:]
        return next((self._by_last_part[part] for part in last if part in self._by_last_part), None)

    @cached_property
    def _by_last_part(self) -> dict[str, str]:
        """Tiles in folders by the last part of their names, where no other has it."""
        counts = Counter(name.rpartition("/")[2] for name in self.names)
        return {part: name for name in self.names if counts[part := name.rpartition("/")[2]] == 1}


def _candidates(text: str) -> Iterator[str]:
    """A path, then the path without its first folder, and so on; the name alone last, without an upload's mark."""
    path = unquote(text).replace("\\", "/").partition("#")[0]
    path = path.rpartition("?d=")[2].partition("?")[0].strip("/")
    parts = [part for part in path.split("/") if part not in ("", ".", "..")] or [""]
    for first in range(len(parts)):
        yield "/".join(parts[first:])
    yield _UPLOADED.sub("", parts[-1], count=1)


def require_known(names: Sequence[str], tiles: LabelTiles, source: Path) -> None:
    """Refuse names of tiles whose image is not there.

    Raises:
        DataError: says how many, and the first.
    """
    if strange := [name for name in names if name not in tiles.names]:
        raise DataError(
            f"{source}: {len(strange)} of {len(names)} names have no image in {tiles.data_dir}, the first is "
            f"'{strange[0]}'; give the data set that they are from"
        )
