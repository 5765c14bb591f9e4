"""What every labelling tool is given: pictures of tiles, and the model's maps of them as a first draft."""

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data.labelling.classes import ToolClasses
from data.rasters.places.grids import Grid
from utils.runs.files import make_folder, storage_errors


@dataclass(frozen=True)
class ExportedTile:
    """A tile that people are given.

    Attributes:
        name: of the tile, with `/` between folders.
        picture: RGB, uint8 (H, W, 3).
        draft: class ids, uint8 (H, W), 255 where there is none; None without a draft.
    """

    name: str
    picture: np.ndarray
    draft: np.ndarray | None = None


class Target(ABC):
    """The folder for one tool: `add` each tile, then `finish`.

    Args:
        folder: empty.
        classes: that people draw.
        grids: of all tiles, by name, in their order.
        has_drafts: whether some tile has a draft.

    Attributes:
        title: the tool's name.
        remarks: lines on how tiles were written.
        keys: whether the tool takes the keys of `ToolClasses`.
    """

    title: str
    keys = False

    def __init__(
        self, folder: Path, classes: ToolClasses, grids: Sequence[tuple[str, Grid]], has_drafts: bool = False
    ) -> None:
        self.folder, self.classes, self.grids, self.has_drafts = folder, classes, dict(grids), has_drafts
        self.remarks: list[str] = []
        self.check()

    @abstractmethod
    def check(self) -> None:
        """Begin: refuse what the tool cannot have, before anything is written.

        Raises:
            DataError: says what.
        """

    @abstractmethod
    def add(self, tile: ExportedTile) -> None:
        """Write one tile."""

    @abstractmethod
    def finish(self) -> None:
        """Write what follows all tiles."""

    @abstractmethod
    def back(self, out: Path) -> str:
        """The path of what is to be imported later, where the folder is called `out`."""

    @property
    @abstractmethod
    def opening(self) -> Sequence[str]:
        """How the tool opens the folder, step by step."""

    @property
    @abstractmethod
    def saving(self) -> Sequence[str]:
        """How what was drawn comes out of the tool, step by step."""

    def write_png(self, name: str, pixels: np.ndarray, palette: bytes | None = None) -> Path:
        """Write a picture below the folder; of ids where there is a palette, 3 bytes an id."""
        image = Image.fromarray(pixels)
        if palette is not None:
            image.putpalette(palette)
        content = io.BytesIO()
        image.save(content, "PNG", compress_level=3)
        return self.write(name, content.getvalue())

    def write(self, name: str, content: bytes) -> Path:
        """Write a file below the folder."""
        path = self.folder / name
        make_folder(path.parent)
        with storage_errors(path):
            path.write_bytes(content)
        return path
