"""The folder of a prediction: maps as class ids, in colour and over the image, and the classes' shares as a table."""

import csv
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from data.images import read_image
from tools.predict_images import MapImage, file_size
from utils.colours import RGB
from utils.drawing.pictures import colourise, overlay
from utils.errors import OptionError
from utils.runs.files import make_folder, write_atomically, write_json, write_text

_BAND = 512  # rows that are drawn at once; a whole scene would take 8 bytes a pixel in between


class MapFolder:
    """`ids/<name>.png`, `colour/<name>.png`, `overlay/<name>.png`, `class_shares.csv` and `prediction.json`.

    Args:
        path: the folder.
        classes: pixel classes in the order of their ids.
        colours: RGB of each.
        ids_only: leave out what is drawn in colour.
    """

    def __init__(self, path: Path, classes: Sequence[str], colours: Sequence[RGB], ids_only: bool) -> None:
        self.path, self.classes, self.colours, self.ids_only = path, classes, colours, ids_only
        self.record, self.shares = path / "prediction.json", path / "class_shares.csv"
        self.maps = {kind: path / kind for kind in ("ids", "colour", "overlay")}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.pixels: dict[str, np.ndarray] = {}

    def begin(self, overwrite: bool, record: Mapping[str, Any]) -> None:
        """Make room for a prediction.

        Args:
            overwrite: replace an earlier one.
            record: how the maps are made, for `prediction.json`.

        Raises:
            OptionError: the folder holds a prediction and `overwrite` is False, or files that are no prediction.
        """
        ours = [path for path in (self.shares, *self.maps.values()) if path.exists()]
        if ours and not self.record.is_file():
            raise OptionError(f"{ours[0]} is there, but not by this command; choose another --save-dir")
        if self.record.is_file():
            if not overwrite:
                raise OptionError(
                    f"{self.path} holds a prediction already; --overwrite replaces it, or give another --save-dir"
                )
            for folder in self.maps.values():
                shutil.rmtree(folder, ignore_errors=True)
            self.shares.unlink(missing_ok=True)
        make_folder(self.path)
        write_json(self.record, dict(record))

    def write(self, image: MapImage, pixels: np.ndarray, ids: np.ndarray) -> None:
        """Write an image's maps, at the size of its file.

        Args:
            image: the image.
            pixels: as it was predicted, uint8 RGB, shape (h, w, 3).
            ids: its classes, uint8, shape (h, w).
        """
        height, width = self.sizes[image.name] = file_size(image)
        is_resized = ids.shape != (height, width)
        if is_resized:
            ids = cv2.resize(ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        count = [np.bincount(ids[rows].ravel(), minlength=len(self.classes)) for rows in _bands(height)]
        self.pixels[image.name] = np.sum(count, axis=0)
        _save_png(self.maps["ids"] / f"{image.name}.png", ids)
        if self.ids_only:
            return
        _save_png(
            self.maps["colour"] / f"{image.name}.png",
            _drawn(height, width, lambda rows: colourise(ids[rows], self.colours)),
        )
        filed = read_image(image.path) if is_resized else pixels
        _save_png(
            self.maps["overlay"] / f"{image.name}.png",
            _drawn(height, width, lambda rows: overlay(filed[rows], ids[rows], self.colours)),
        )

    def finish(self) -> None:
        """Write the table: a line an image, with height and width of its file and each class's fraction of pixels."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["image", "height", "width", *self.classes])
        for name, pixels in self.pixels.items():
            table.writerow([name, *self.sizes[name], *(f"{share:.6f}" for share in pixels / pixels.sum())])
        write_text(self.shares, text.getvalue())

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
