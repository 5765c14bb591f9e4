"""The folder of a prediction: maps as class ids, in colour and over the image, and the classes' shares as a table."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from PIL import Image

from utils.drawing.pictures import colourise, overlay
from utils.errors import DataError
from utils.imagery.colours import RGB
from utils.runs.files import read_json, write_atomically, write_json, write_text
from utils.runs.output import Kind, OutputFolder
from utils.settings import SettingsError
from utils.tables import table_text
from utils.wording import worded

_BAND = 512  # rows that are drawn at once; a whole scene would take 8 bytes a pixel in between

MAPS = Kind(
    noun="a prediction",
    option="save_dir",
    record="prediction.json",
    record_key="options",
    files=r"prediction\.json|class_shares\.csv|(ids|colour|overlay)/.+\.png",
    worth=r"class_shares\.csv|(ids|colour|overlay)/.+\.png",
    folders=("ids", "colour", "overlay"),
)


class MappedImage(Protocol):
    """An image of which there will be maps; any object with these fields will do.

    name: what its maps are called, with `/` between folders. file_size: height and width of its file.
    read_as_filed: its pixels at that size, uint8 RGB, shape (H, W, 3).
    """

    @property
    def name(self) -> str: ...  # noqa: D102 — described by the class
    @property
    def file_size(self) -> Callable[[], tuple[int, int]]: ...  # noqa: D102
    @property
    def read_as_filed(self) -> Callable[[], np.ndarray]: ...  # noqa: D102


class MapFolder(OutputFolder):
    """`ids/<name>.png`, `colour/<name>.png`, `overlay/<name>.png`, `class_shares.csv` and `prediction.json`.

    Args:
        path: the folder.
        classes: pixel classes in the order of their ids.
        colours: RGB of each.
        ids_only: leave out what is drawn in colour.
        shown: from an image as it was predicted to RGB, uint8 (H, W, 3).
    """

    def __init__(
        self,
        path: Path,
        classes: Sequence[str],
        colours: Sequence[RGB],
        ids_only: bool,
        shown: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    ) -> None:
        super().__init__(path, MAPS)
        self.shown = shown
        self.classes, self.colours, self.ids_only = classes, colours, ids_only
        self.shares = path / "class_shares.csv"
        self.maps = {kind: path / kind for kind in MAPS.folders}
        self._images: set[str] | None = None  # of the prediction that is there, once the folder is claimed
        self.sizes: dict[str, tuple[int, int]] = {}
        self.pixels: dict[str, np.ndarray] = {}

    def begin_with(self, images: Sequence[MappedImage], record: Mapping[str, Any]) -> None:
        """Make room for a prediction, once there is a map to write; a second call changes nothing.

        Args:
            images: of which there will be maps.
            record: how the maps are made, for `prediction.json`.
        """
        if self.pixels:
            return
        self.begin()
        names = [image.name for image in images]
        self._images = set(names)
        write_json(self.record, {**record, "images": names})

    def check_images(self, images: Sequence[MappedImage]) -> None:
        """Refuse to write maps over files of others.

        Raises:
            OptionError: there is one.
        """
        for image in images:
            for kind, folder in self.maps.items():
                name = f"{kind}/{image.name}.png"
                if (folder / f"{image.name}.png").exists() and not self.is_ours(name):
                    message = "{} is there, but not by this command; move it, or give another {save_dir}"
                    raise SettingsError(message, self.path / name)

    @property
    def holds_run(self) -> bool:
        """Whether there are maps of a prediction, which has a record."""
        return self.record.is_file() and super().holds_run

    def is_ours(self, name: str) -> bool:
        """Whether a file is one that this command writes: of maps, only those of the record's images."""
        if not super().is_ours(name):
            return False
        file = name.partition("/")[2]
        return not file or self._images is None or file.removesuffix(".png") in self._images

    def _recover(self, was_killed: bool) -> None:
        super()._recover(was_killed)  # which may bring the record back
        self._images = self._recorded_images()

    def _recorded_images(self) -> set[str] | None:
        """Images of the prediction that is there; None where there is none.

        Raises:
            DataError: its record does not tell, so that no map may be removed.
        """
        if not self.record.is_file():
            return None
        record = read_json(self.record)
        if MAPS.record_key not in record:  # of another command, which `claim` refuses
            return None
        images = record.get("images")
        if not isinstance(images, list) or not all(isinstance(name, str) for name in images):
            raise DataError(
                worded(
                    "{}: `images` is {}, expected the names of the images whose maps are there; restore it, move the "
                    "maps, or give another {save_dir}",
                    self.record,
                    str(images)[:60],
                )
            )
        return set(images)

    def write(self, image: MappedImage, pixels: np.ndarray, ids: np.ndarray) -> None:
        """Write an image's maps, at the size of its file.

        Args:
            image: the image.
            pixels: as it was predicted, uint8, shape (h, w, C).
            ids: its classes, uint8, shape (h, w); 255 where there are no data.
        """
        height, width = self.sizes[image.name] = image.file_size()
        is_resized = ids.shape != (height, width)
        if is_resized:
            ids = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        classes = len(self.classes)
        count = [np.bincount(ids[rows].ravel(), minlength=classes)[:classes] for rows in _bands(height)]
        self.pixels[image.name] = np.sum(count, axis=0)
        _save_png(self.maps["ids"] / f"{image.name}.png", ids)
        self.establish()
        if self.ids_only:
            return
        _save_png(
            self.maps["colour"] / f"{image.name}.png",
            _drawn(height, width, lambda rows: colourise(ids[rows], self.colours)),
        )
        filed = self.shown(image.read_as_filed() if is_resized else pixels)
        _save_png(
            self.maps["overlay"] / f"{image.name}.png",
            _drawn(height, width, lambda rows: overlay(filed[rows], ids[rows], self.colours)),
        )

    def finish(self) -> None:
        """Write the table: a line an image, with height and width of its file and each class's fraction of pixels."""
        rows: list[list[object]] = [["image", "height", "width", *self.classes]]
        for name, pixels in self.pixels.items():
            rows.append([name, *self.sizes[name], *(f"{share:.6f}" for share in pixels / max(1, pixels.sum()))])
        write_text(self.shares, table_text(rows))

    def total_shares(self) -> np.ndarray:
        """Fraction of all images' pixels that each class has, shape (C,)."""
        pixels: np.ndarray = np.sum(list(self.pixels.values()), axis=0)
        return pixels / pixels.sum()


def _bands(height: int) -> list[slice]:
    return [slice(top, top + _BAND) for top in range(0, height, _BAND)]


def _drawn(height: int, width: int, draw: Callable[[slice], np.ndarray]) -> np.ndarray:
    picture = np.empty((height, width, 3), np.uint8)
    for rows in _bands(height):
        picture[rows] = draw(rows)
    return picture


def _save_png(path: Path, pixels: np.ndarray) -> None:
    write_atomically(path, lambda file: Image.fromarray(pixels).save(file, format="PNG"))
