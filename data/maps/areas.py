"""Areas of classes on a map: pixels, square metres and hectares, of each scene and of all together."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.decoding.orientation import Size
from data.maps.pixel_areas import NoArea, PixelAreas, pixel_areas
from data.rasters.places.place import Place
from utils.evaluation.areas import adjusted_areas_of_summary
from utils.runs.files import write_text
from utils.tables import table_text

CLASS_AREAS = "class_areas.csv"
TOTAL = "total"
_COLUMNS = ("scene", "class", "pixels", "square_metres", "hectares", "share", "measured_on")
_ADJUSTED = ("adjusted_hectares", "adjusted_low", "adjusted_high")
SQUARE_METRES = 10_000  # of a hectare


class ClassAreas:
    """Counts the pixels of each class of a map, and adds up what they cover on the ground.

    Args:
        num_classes: how many there are.
        size: height and width of the map.
        place: where it lies.

    Attributes:
        pixel_areas: of the map; `NoArea` says why they are not known.
        pixels: of each class so far, int64 (C,).
    """

    def __init__(self, num_classes: int, size: Size, place: Place | None) -> None:
        self.pixel_areas: PixelAreas | NoArea = pixel_areas(place, size)
        self.pixels = np.zeros(num_classes, np.int64)
        self._square_metres = np.zeros(num_classes)

    def add(self, top: int, ids: np.ndarray) -> None:
        """Add a strip of the map: its first row, and class ids, uint8 (rows, W); 255 and other ids are left out."""
        known = self.pixel_areas if isinstance(self.pixel_areas, PixelAreas) else None
        classes = len(self.pixels)
        for row, values in enumerate(ids):  # one at a time: bincount takes 8 bytes a pixel
            counts = np.bincount(values, minlength=256)[:classes]
            self.pixels += counts
            if known is None:
                continue
            areas = known.of_rows(top + row, 1)[0]
            weighed = counts * areas if len(areas) == 1 else np.bincount(values, areas, minlength=256)[:classes]
            self._square_metres += weighed

    @property
    def square_metres(self) -> np.ndarray | None:
        """Of each class so far, float64 (C,); None where areas are not known."""
        return self._square_metres if isinstance(self.pixel_areas, PixelAreas) else None

    @property
    def measured_on(self) -> str:
        """Where areas come from: `projection`, `ellipsoid`, or why there are none, such as `no place, no area`."""
        areas = self.pixel_areas
        return areas.measure if isinstance(areas, PixelAreas) else f"{areas.word}, no area"


def write_class_areas(
    path: Path, scenes: Mapping[str, ClassAreas], classes: Sequence[str], accuracy: Path | None = None
) -> Sequence[str]:
    """Write `class_areas.csv`: a line a scene and class, and then a line a class of all scenes together.

    Columns are `scene`, `class`, `pixels`, `square_metres`, `hectares`, `share` of the scene's pixels that have a
    class, and `measured_on` (`projection` or `ellipsoid`). Where a scene has no place, its areas are empty, and so are
    those of all scenes together. With an accuracy there are also `adjusted_hectares` and the ends of their 95 %
    interval, `adjusted_low` and `adjusted_high`, as `utils.evaluation.areas` estimates them; ends are empty where
    there is too little to estimate them from.

    Args:
        path: the file.
        scenes: areas by the scene's name.
        classes: names, in the order of the ids.
        accuracy: `summary.json` of an evaluation of the network; None: none.

    Returns:
        What has to be said of the adjusted areas.

    Raises:
        OptionError: the folder cannot be written.
        DataError: the disk is full, or the accuracy cannot be used.
    """
    rows: list[Sequence[object]] = [_COLUMNS if accuracy is None else (*_COLUMNS, *_ADJUSTED)]
    notes: dict[str, None] = {}
    for name, pixels, square_metres, measured_on in _with_total(scenes):
        lines = _lines(name, classes, pixels, square_metres, measured_on)
        if accuracy is not None:
            adjusted, said = _adjusted(accuracy, classes, square_metres)
            lines = [(*line, *more) for line, more in zip(lines, adjusted, strict=True)]
            notes |= dict.fromkeys(said)
        rows += lines
    write_text(path, table_text(rows))
    return tuple(notes)


_Part = tuple[str, np.ndarray, np.ndarray | None, str]  # name, pixels, square metres, and where these are from


def _with_total(scenes: Mapping[str, ClassAreas]) -> list[_Part]:
    found: list[_Part] = [
        (name, areas.pixels, areas.square_metres, areas.measured_on) for name, areas in scenes.items()
    ]
    if not found:
        return []
    _, pixels, parts, measures = zip(*found, strict=True)
    known = [part for part in parts if part is not None]
    square_metres = np.sum(known, axis=0) if len(known) == len(parts) else None
    return [*found, (TOTAL, np.sum(pixels, axis=0), square_metres, "; ".join(dict.fromkeys(measures)))]


def _lines(
    scene: str, classes: Sequence[str], pixels: np.ndarray, square_metres: np.ndarray | None, measured_on: str
) -> list[tuple[object, ...]]:
    shares = pixels / max(1, int(pixels.sum()))
    lines: list[tuple[object, ...]] = []
    for index, name in enumerate(classes):
        area = ["", ""]
        if square_metres is not None:
            area = [f"{square_metres[index]:.2f}", f"{square_metres[index] / SQUARE_METRES:.6f}"]
        lines.append((scene, name, int(pixels[index]), *area, f"{shares[index]:.6f}", measured_on))
    return lines


def _adjusted(
    accuracy: Path, classes: Sequence[str], square_metres: np.ndarray | None
) -> tuple[list[tuple[str, ...]], Sequence[str]]:
    """Adjusted hectares and the ends of their intervals, a line a class, and what has to be said."""
    if square_metres is None or not square_metres.any():
        return [("",) * len(_ADJUSTED)] * len(classes), ()
    hectares = dict(zip(classes, (square_metres / SQUARE_METRES).tolist(), strict=True))
    found = adjusted_areas_of_summary(accuracy, hectares)
    by_name = {row.name: row for row in found.rows}
    lines = [(by_name[name].area, by_name[name].low, by_name[name].high) for name in classes]
    return [tuple("" if value is None else f"{value:.6f}" for value in line) for line in lines], found.notes
