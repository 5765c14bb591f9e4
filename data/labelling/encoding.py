"""From class ids to the bytes of a mask file, as a data set has it: ids, codes or colours."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from data.checking.mask_values import meanings
from data.descriptions import Description
from utils.errors import DataError
from utils.imagery.labels import IGNORE_INDEX

_KINDS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}  # by ending; others lose values, or have no alpha
_MOST_OF_8_BITS = 255


def check_can_be_written(description: Description) -> None:
    """Refuse a data set whose mask files would not keep what they are given.

    Raises:
        DataError: says why.
    """
    ending = Path(description.masks).suffix.lower()
    if ending and ending not in _KINDS:
        raise DataError(
            f"masks of this data set end in {ending} (`masks` in dataset.json), which would not keep each pixel; let "
            "them end in .png or .tif"
        )


def encode_mask(ids: np.ndarray, description: Description) -> bytes:
    """A mask file.

    Args:
        ids: class ids, uint8 (H, W), 255 where nobody drew.
        description: the data set: whether its masks hold ids, codes or colours, what says "no class" in them (else
            such pixels are transparent), and the kind of the files.

    Returns:
        The content of a file that reads back as the same ids.

    Raises:
        DataError: there is no way to say "no class" in such a file.
    """
    if description.palette is not None:
        image, options = _as_colours(ids, description)
    else:
        image, options = _as_codes(ids, description)
    kind = _KINDS.get(Path(description.masks).suffix.lower(), "PNG")
    content = io.BytesIO()
    image.save(content, kind, **(options if kind == "PNG" else {"compression": "tiff_adobe_deflate"}))
    return content.getvalue()


def _as_colours(ids: np.ndarray, description: Description) -> tuple[Image.Image, dict[str, object]]:
    """A palette file, which reads as ids too; without a colour for "no class", one with an alpha band."""
    table = np.zeros((256, 3), np.uint8)
    table[: description.num_classes] = np.array(description.palette, np.uint8)
    if description.ignore_colours:
        table[IGNORE_INDEX] = description.ignore_colours[0]
        image = Image.fromarray(ids)
        image.putpalette(table.tobytes())
        return image, {}
    alpha = np.where(ids == IGNORE_INDEX, 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([table[ids], alpha])), {}


def _as_codes(ids: np.ndarray, description: Description) -> tuple[Image.Image, dict[str, object]]:
    codes = [values[0] for values in description.codes or tuple((index,) for index in range(description.num_classes))]
    known = meanings(description)
    silent = [IGNORE_INDEX] if known.get(IGNORE_INDEX, IGNORE_INDEX) == IGNORE_INDEX else []
    silent += sorted(value for value, meaning in known.items() if meaning == IGNORE_INDEX)
    wide = max([*codes, *silent[:1]]) > _MOST_OF_8_BITS
    if not silent:  # a value that no class has is made transparent
        silent = [next(value for value in range(1 << 16) if value not in known)]
        wide = wide or silent[0] > _MOST_OF_8_BITS
        if wide or Path(description.masks).suffix.lower() not in ("", ".png"):
            raise DataError(
                "255 is a class of this data set, and no value means that a pixel is unlabelled; give one as "
                "`ignore_codes` in dataset.json"
            )
        options: dict[str, object] = {"transparency": silent[0]}
    else:
        options = {}
    table = np.full(256, silent[0], np.uint16 if wide else np.uint8)
    table[: len(codes)] = codes
    return Image.fromarray(table[ids]), options
