"""The tiles of a list that networks are scored on: opened once, with the mask of each, in batches."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from data.batches.loaders import evaluation_batches
from data.cache import TileArray
from data.descriptions import Description
from data.footprints.of_set import MasksCountedOnce, read_counted_once
from data.labelling.ledger import drafted_masks
from data.lists.labelled import require_labelled_pixels
from data.lists.splits import read_names
from data.reader import check_files, open_reader
from data.settings import DataSettings
from data.tiles import Tiles, open_masks_as_filed, open_tiles
from utils.compute import distributed
from utils.errors import DataError
from utils.evaluation.tile_lists import TilePlace
from utils.imagery.colours import RGB
from utils.suggest import first_names
from utils.wording import worded

if TYPE_CHECKING:  # with GEOS, which lists without records do not need
    from data.footprints.counting import CountedOnce

_NAMED = 5  # tiles in a message


class EvaluationTiles:
    """A list of tiles with masks, and this process's share of its batches.

    In masks that are scored, a pixel that another tile of the list counts has no class; `mask` shows all.

    Args:
        path: the list.
        tiles: opened, the mask of each with them.
        input_size: height and width in pixels that smaller tiles are padded to.
        batch_size: tiles of a batch.
        workers: processes of the loader.
        pin_memory: put batches where a GPU fetches them from.
        file_masks: masks at the size of their files, in the order of the list; None: tile size is scored.
        counted: which pixels of a scene each tile counts; None: not known, each counts all of its own.

    Attributes:
        overlapping: how many tiles share pixels of a scene with another of the list; None: not known.
    """

    def __init__(
        self,
        path: Path,
        tiles: Tiles,
        input_size: tuple[int, int],
        batch_size: int,
        workers: int = 0,
        pin_memory: bool = False,
        file_masks: TileArray | None = None,
        counted: "CountedOnce | None" = None,
    ) -> None:
        self.path, self.tiles, self.names = path, tiles, tiles.names
        self.batch_size, self._file_masks = batch_size, file_masks
        self._input_size = input_size
        self.overlapping = None if counted is None else counted.overlapping
        self._counted = counted
        scored = tiles
        if counted is not None and counted.overlapping and tiles.masks is not None:
            scored = replace(tiles, masks=MasksCountedOnce(tiles.masks, tiles.labelled, counted))
            if file_masks is not None:
                self._file_masks = MasksCountedOnce(file_masks, tiles.labelled, counted)
        share = (distributed.rank(), distributed.world_size())
        self.loader = evaluation_batches(scored, input_size, batch_size, None, share, workers, pin_memory, True)

    @classmethod
    def open(
        cls,
        data: DataSettings,
        path: Path | None = None,
        description: Description | None = None,
        input_size: tuple[int, int] = (320, 320),
        batch_size: int | Callable[[tuple[int, int]], int] = 4,
        workers: int = 0,
        pin_memory: bool = False,
        as_filed: bool = False,
        called: str | None = None,
    ) -> "EvaluationTiles":
        """Open the tiles of a list; of several processes the first one decodes them.

        Args:
            data: the data set and its cache.
            path: the list; None: that of `data`.
            description: of the data set, where it is not to be read, such as one that ignores a label.
            input_size, workers, pin_memory: as of the class.
            batch_size: tiles of a batch, or what tells it from the height and width of a tile.
            as_filed: masks are scored at the size of their files; where a mask's is not its tile's in the scene, the
                pixels that count once are brought to it by nearest neighbour.
            called: what messages call the list; None: its path.

        Raises:
            OptionError: no such list or folder.
            DataError: a tile has no mask, a file cannot be used (`tiles.csv` too), or no pixel has a class.
        """
        path, description = path or data.data_list, description or data.description()
        names = read_names(path, description)
        called = called or str(path)
        _require_masks(description, data.data_dir, names, called)
        counted, cache = read_counted_once(data.data_dir, names), data.cache()
        tiles = distributed.main_first(lambda: open_tiles(description, data.data_dir, names, names, cache))
        require_labelled_pixels(tiles.masks, called)
        masks = distributed.main_first(lambda: open_masks_as_filed(tiles, cache)) if as_filed else None
        at_once = batch_size if isinstance(batch_size, int) else batch_size(tiles.reader.tile_size)
        return cls(path, tiles, input_size, at_once, workers, pin_memory, masks, counted)

    @property
    def description(self) -> Description:
        """The data set."""
        return self.tiles.description

    @cached_property
    def drafted(self) -> list[str]:
        """Tiles of the list whose mask began as a draft of a model, as the data set's ledger says.

        Raises:
            DataError: the ledger cannot be used.
        """
        found = drafted_masks(self.tiles.reader.data_dir)
        return [name for name in self.names if name in found]

    @property
    def classes(self) -> Sequence[str]:
        """Pixel classes in the order of their ids."""
        return self.description.classes

    @property
    def colours(self) -> Sequence[RGB]:
        """RGB of each class."""
        return self.description.colours

    @property
    def legend(self) -> tuple[Sequence[str], Sequence[RGB]]:
        """Names and colours of the classes that masks may hold."""
        return self.description.legend

    @property
    def tile_size(self) -> tuple[int, int]:
        """Height and width of a tile."""
        return self.tiles.reader.tile_size

    @cached_property
    def scenes(self) -> list[str] | None:
        """The scene of each tile, a tile without one standing for itself; None where the data set names none."""
        if self.description.group is None:
            return None
        return [scene or name for name, scene in self.description.groups_of(self.names).items()]

    @cached_property
    def places(self) -> list[TilePlace | None] | None:
        """Where each tile was cut from its scene, None for one without a record; None where there are no records."""
        if self._counted is None:
            return None
        records = {record.name: record for record in self._counted.records}
        found = [records.get(name) for name in self.names]
        return [None if r is None else TilePlace(r.scene, r.row, r.column, r.height, r.width) for r in found]

    @property
    def metres_per_pixel(self) -> float | None:
        """Ground size of a tile's pixel; None where it is not known."""
        return self.description.bands.metres_per_pixel

    def counted(self, index: int) -> np.ndarray | None:
        """The pixels of its place that a tile counts, bool (height, width); None where it counts all."""
        return None if self._counted is None else self._counted.mask(self.names[index])

    def __len__(self) -> int:
        return len(self.tiles)

    def image(self, index: int) -> np.ndarray:
        """Image of a tile as a picture; RGB, uint8 (H, W, 3)."""
        return self.tiles.shown(index)

    def mask(self, index: int) -> np.ndarray:
        """Ids of a tile, uint8 (H, W); 255 where a pixel has no class."""
        return self.tiles.mask(index)

    def masks_as_filed(self, batch: Any) -> list[Tensor] | None:
        """Masks of a batch's tiles at the size of their files, uint8 (H, W) each; None where tile size is scored."""
        masks = self._file_masks
        if masks is None:
            return None
        return [torch.from_numpy(np.array(masks[int(tile)])) for tile in torch.as_tensor(batch.tile)]

    def one_by_one(self, tiles: Sequence[int]) -> Any:
        """Some tiles, by their positions in the list, each as a batch."""
        return evaluation_batches(self.tiles, self._input_size, 1, tiles)


def _require_masks(description: Description, data_dir: Path, names: Sequence[str], called: str) -> None:
    """Stop before any work where a tile of a list has no mask.

    Raises:
        DataError: names the tiles and the first file.
    """
    reader = open_reader(description, data_dir, names)
    without = [name for name in names if not reader.has_mask(name)]
    if without:
        check_files(reader, names)  # without the images, masks are not what is missing
        raise DataError(
            worded(
                "{}: {} of {} masks are missing ({}), the first is {}; evaluation needs the mask of every tile: take "
                "these out of the list, or check {data_dir}",
                called,
                len(without),
                len(names),
                first_names(without, _NAMED),
                reader.mask_path(without[0]),
            )
        )
