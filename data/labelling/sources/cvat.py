"""CVAT's "Segmentation mask 1.1": colours in `SegmentationClass`, and which label each is in `labelmap.txt`."""

from functools import partial
from pathlib import Path

import numpy as np

from data.checking.mask_values import as_number
from data.decoding.images import image_file_size, read_image
from data.labelling.classes import ToolClasses
from data.labelling.sources.drawing import Drawing, Source
from data.preparing.archives import FolderSource
from data.rasters.places.grids import Grid
from utils.errors import DataError
from utils.imagery.colours import format_colour
from utils.imagery.labels import IGNORE_INDEX
from utils.paths import read_bytes
from utils.suggest import first_names

LABEL_MAP, MASKS, UNDRAWN = "labelmap.txt", "SegmentationClass", "background"


def read_cvat(folder: Path, classes: ToolClasses) -> Source:
    """The drawings of an unpacked export.

    Args:
        folder: holds `labelmap.txt` and `SegmentationClass`, at any depth.
        classes: of the data set; labels of others may stand in the label map as long as no pixel has them.

    Raises:
        DataError: there is no label map or no mask, or the map is malformed.
    """
    files = [file.path for file in FolderSource(folder).files]
    maps = [path for path in files if path.rpartition("/")[2] == LABEL_MAP]
    masks = [path for path in files if f"/{MASKS}/" in f"/{path}" and path.lower().endswith(".png")]
    if len(maps) != 1:
        what = f"holds {len(maps)}" if maps else "lacks"
        raise DataError(
            f"{folder} {what} {LABEL_MAP}, which says which colour is which class; export as Segmentation mask 1.1"
        )
    if not masks:
        raise DataError(f"{folder} holds no mask in {MASKS}; save the job in CVAT, and export it again")
    labels = _read_label_map(folder / maps[0])
    found = []
    for path in masks:
        where = folder / path
        draw = partial(_draw, where, labels, classes)
        found.append(Drawing(path.partition(f"{MASKS}/")[2], str(where), draw, image_file_size(where)))
    return Source("cvat", found)


def _read_label_map(path: Path) -> dict[int, str]:
    """Labels by colour, as 0xRRGGBB."""
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text; export it again") from error
    labels: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        channels = rest.partition(":")[0].split(",")
        if len(channels) != 3 or not all(c.strip().isdecimal() and int(c) <= 255 for c in channels):
            raise DataError(f"{path}, line {number}: {line[:40]!r}, expected name:red,green,blue::")
        colour = as_number([int(channel) for channel in channels])
        if labels.setdefault(colour, name.strip()) != name.strip():
            raise DataError(f"{path}, line {number}: {labels[colour]} and {name.strip()} share a colour; give each one")
    if not labels:
        raise DataError(f"{path} names no label; export it again")
    return labels


def _draw(path: Path, labels: dict[int, str], classes: ToolClasses, _: Grid) -> np.ndarray:
    pixels = read_image(path).astype(np.int32)
    colours, places = np.unique(pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2], return_inverse=True)
    if strange := [colour for colour in colours.tolist() if colour not in labels]:
        names = first_names([format_colour((c >> 16, c >> 8 & 255, c & 255)) for c in strange])
        raise DataError(f"{path} holds {names}, which no label of {LABEL_MAP} has; export both again together")
    used = [labels[colour] for colour in colours.tolist() if not _is_undrawn(labels, colour)]
    ids = classes.ids_of(str(path), used)
    table = [IGNORE_INDEX if _is_undrawn(labels, colour) else ids[labels[colour]] for colour in colours.tolist()]
    return np.array(table, np.uint8)[places].reshape(pixels.shape[:2])


def _is_undrawn(labels: dict[int, str], colour: int) -> bool:
    """Whether a colour is CVAT's own for what nobody drew on, also in a data set that has a class of that name."""
    return colour == 0 and labels[colour] == UNDRAWN
