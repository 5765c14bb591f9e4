"""Decoding mask files to class ids. Every failure is one line that names the file."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from data.checking.mask_values import MaskValues, as_number, how_to_declare, kept, meanings, name_of, undeclared
from data.decoding.image_faults import raw_mode
from data.decoding.images import decode, decode_rgb, mask_turn, open_image
from data.decoding.near_colours import nearest_declared
from data.decoding.orientation import turned
from data.decoding.palette_files import PaletteFiles, palette_of
from data.descriptions import Description
from utils.errors import DataError
from utils.imagery.colours import RGB
from utils.imagery.labels import IGNORE_INDEX

MAX_OFF_PALETTE = 0.05  # share of a mask's pixels with a colour or id that no class has
MAX_NEAR = 0.5  # share of a mask's pixels that may take the nearest colour: above it, these are no edges
_PIECE = 1 << 20  # pixels that are counted at once
_OFF_PALETTE = 254  # marks values that no class has until they become 255
_GREY_STEPS = {"L;2": 85, "L;4": 17}  # Pillow spreads grey values of few bits over 0..255


class RawMask(NamedTuple):
    """What a mask file holds.

    values: codes, uint8 or uint16, shape (H, W), where the description's masks hold ids; else RGB, uint8, (H, W, 3).
    transparent: pixels of alpha 0, bool (H, W); None where there are none. matched: the indices of a palette file were
    brought to the order of another one.
    """

    values: np.ndarray
    transparent: np.ndarray | None = None
    matched: bool = False


class DecodedMask(NamedTuple):
    """A mask as class ids.

    ids: uint8, shape (H, W), 255 for pixels without a class. off_palette: share of the pixels whose value is neither a
    class nor a known way of saying "no class" (they are 255 too). values: what the file holds.
    """

    ids: np.ndarray
    off_palette: float
    values: MaskValues


def read_mask(path: Path, description: Description, palettes: PaletteFiles | None = None) -> RawMask:
    """Read a mask file as its description needs it.

    Where masks hold ids, the values of a grey file (of 1 to 16 bits) and the indices of a palette file are its codes.

    Args:
        path: the file.
        description: whether its masks hold ids or colours.
        palettes: how palette files of this data set order their colours; None: each is read by index.

    Raises:
        DataError: missing, damaged, of another kind, colours where ids are expected, or a palette that contradicts
            another file's.
    """
    with open_image(path, for_mask=description.palette is None) as image:
        turn = mask_turn(image, description.exif)
        mask = _as_stored(path, image, description, palettes)
    return mask._replace(
        values=turned(mask.values, turn),
        transparent=None if mask.transparent is None else turned(mask.transparent, turn),
    )


def _as_stored(path: Path, image: Image.Image, description: Description, palettes: PaletteFiles | None) -> RawMask:
    if description.palette is not None:
        transparent = _transparent(path, image)
        return RawMask(decode_rgb(path, image), transparent)
    if image.mode not in ("1", "L", "LA", "P", "PA") and not image.mode.startswith("I;16"):
        raise DataError(
            f"{path} holds colours (mode {image.mode}), expected class ids 0..{description.num_classes - 1}; "
            "give the colours as --palette (prepare_data.py scenes) or as `palette` in dataset.json"
        )
    transparent = _transparent(path, image)
    codes = _codes(path, image)
    if image.mode != "P" or palettes is None:
        return RawMask(codes, transparent)
    return RawMask(*_in_order(path, image, codes, palettes, transparent))


def _codes(path: Path, image: Image.Image) -> np.ndarray:
    """Grey values or palette indices, uint8 or uint16, shape (H, W)."""
    if image.mode.startswith("I;16"):
        return decode(path, image, image.mode).astype(np.uint16)  # in the machine's byte order
    step = 255 if image.mode == "1" else _GREY_STEPS.get(raw_mode(image)[:3], 1)
    mode = {"1": "L", "LA": "L", "PA": "P"}.get(image.mode, image.mode)
    return decode(path, image, mode) // np.uint8(step)


def _transparent(path: Path, image: Image.Image) -> np.ndarray | None:
    """Pixels of alpha 0, bool (H, W), or None where all are visible."""
    invisible = image.info.get("transparency")
    if image.mode in ("1", "L") or image.mode.startswith("I;16"):
        found = _codes(path, image) == invisible if isinstance(invisible, int) else None
    elif image.mode in ("LA", "PA", "RGBA") or invisible is not None:
        found = decode(path, image, "RGBA")[..., 3] == 0
    else:
        found = None
    return found if found is not None and found.any() else None


def _in_order(
    path: Path, image: Image.Image, indices: np.ndarray, palettes: PaletteFiles, transparent: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, bool]:
    colours = palette_of(image.getpalette())
    if transparent is None:
        indices, matched = palettes.in_first_order(path, indices, colours)
    else:
        visible = ~transparent  # the colour of an invisible pixel means nothing
        moved, matched = palettes.in_first_order(path, indices[visible], colours)
        indices = indices.copy()
        indices[visible] = moved
    return indices, transparent, matched


def read_ids(path: Path, description: Description, palettes: PaletteFiles | None = None) -> DecodedMask:
    """Read a mask file as class ids; see `read_mask` and `decode_mask`.

    Raises:
        DataError: as for `read_mask`, or more than 5 % of the pixels have a colour or id that no class has.
    """
    mask = decode_mask(read_mask(path, description, palettes), description)
    check_declared(path, mask.off_palette, mask.values, description)
    return mask


def check_declared(path: Path, off_palette: float, values: MaskValues, description: Description) -> None:
    """Refuse a mask file of which more than 5 % of the pixels have a colour or id that no class has.

    Raises:
        DataError: names these values, and the option that would give them a meaning.
    """
    if off_palette > MAX_OFF_PALETTE:
        raise DataError(
            f"{path}: {off_palette:.1%} of the pixels have {wrong_values(values, description)}; at most "
            f"{MAX_OFF_PALETTE:.0%} are ignored, so check the palette and the class order: "
            f"{how_to_declare(values, description)}"
        )


def decode_mask(mask: RawMask, description: Description, accepts_near: bool | None = None) -> DecodedMask:
    """Turn a mask file's values, or those of a window of it, into class ids.

    Codes and thresholded colours are looked up. Of other colours that are not declared, as a drawing program makes
    them at smoothed edges, those within `near_distance` of a declared one are read as that one, up to half of the
    mask's pixels; of a mask with more of them, none is. Transparent pixels have no class.

    Args:
        mask: what the file holds.
        description: what that means.
        accepts_near: whether near colours are read, where the whole file decided it; None: these pixels are the file.
    """
    if description.palette is None:
        ids, pixels = _from_codes(mask, description)
        near = 0
    elif description.binary_channels:
        ids, pixels = _from_binary(mask, description)
        near = 0
    else:
        ids, pixels, near = _from_colours(mask, description, accepts_near)
    transparent = 0
    if mask.transparent is not None:
        ids[mask.transparent] = IGNORE_INDEX
        transparent = int(np.count_nonzero(mask.transparent))
    off_palette = ids == _OFF_PALETTE
    share = float(off_palette.mean())
    if share:
        ids[off_palette] = IGNORE_INDEX
    return DecodedMask(ids, share, MaskValues(1, pixels, near, transparent, int(mask.matched)))


def _from_codes(mask: RawMask, description: Description) -> tuple[np.ndarray, dict[int, int]]:
    table = np.full(np.iinfo(mask.values.dtype).max + 1, _OFF_PALETTE, np.uint8)
    table[IGNORE_INDEX] = IGNORE_INDEX
    for code, meaning in meanings(description).items():
        if code < len(table):
            table[code] = meaning
    counts = _histogram(_visible(mask).reshape(-1), len(table))
    pixels = {int(code): int(counts[code]) for code in np.flatnonzero(counts)}
    return table[mask.values], _rarer_together(pixels, description)


def _from_binary(mask: RawMask, description: Description) -> tuple[np.ndarray, dict[int, int]]:
    bits = (mask.values >= 128).astype(np.uint8)
    corners = bits[..., 0] * 4 + bits[..., 1] * 2 + bits[..., 2]
    table = np.full(8, _OFF_PALETTE, np.uint8)
    for index, colour in enumerate(description.palette or ()):
        table[_corner(colour)] = IGNORE_INDEX if index in description.ignore_ids else index
    for colour in description.ignore_colours:
        table[_corner(colour)] = IGNORE_INDEX
    counts = _histogram((corners if mask.transparent is None else corners[~mask.transparent]).reshape(-1), 8)
    colours = [as_number([255 * (corner >> shift & 1) for shift in (2, 1, 0)]) for corner in range(8)]
    pixels = {colour: int(n) for colour, n in zip(colours, counts, strict=True) if n}
    ids = table[corners]
    strange = ids == _OFF_PALETTE
    if mask.transparent is not None:
        strange &= ~mask.transparent
    if strange.any():  # as they are in the file, for a message
        found, counts = np.unique(_as_numbers(mask.values)[strange], return_counts=True)
        declared = meanings(description)
        pixels = {colour: n for colour, n in pixels.items() if colour in declared}
        pixels = _rarer_together(pixels | dict(zip(found.tolist(), counts.tolist(), strict=True)), description)
    return ids, pixels


def _as_numbers(channels: np.ndarray) -> np.ndarray:
    """RGB (H, W, 3) as 0xRRGGBB, int32, shape (H, W)."""
    return (channels[..., 0].astype(np.int32) << 16) | (channels[..., 1].astype(np.int32) << 8) | channels[..., 2]


def _corner(colour: RGB) -> int:
    red, green, blue = (channel >= 128 for channel in colour)
    return red * 4 + green * 2 + blue


def _from_colours(
    mask: RawMask, description: Description, accepts_near: bool | None
) -> tuple[np.ndarray, dict[int, int], int]:
    colours = _as_numbers(mask.values)
    declared = meanings(description)
    ids = np.full(colours.shape, _OFF_PALETTE, np.uint8)
    pixels: dict[int, int] = {}
    for colour, meaning in declared.items():
        equal = colours == colour
        ids[equal] = meaning
        if mask.transparent is not None:
            equal &= ~mask.transparent
        if count := int(np.count_nonzero(equal)):
            pixels[colour] = count
    strange = ids == _OFF_PALETTE
    if mask.transparent is not None:
        strange &= ~mask.transparent
    if not strange.any():
        return ids, pixels, 0
    found, where, counts = np.unique(colours[strange], return_inverse=True, return_counts=True)
    nearest = nearest_declared(found, description)
    if accepts_near is None:
        accepts_near = counts[[colour >= 0 for colour in nearest]].sum() <= MAX_NEAR * ids.size
    if not accepts_near:
        nearest = [-1] * len(found)
    ids[strange] = np.array([declared.get(colour, _OFF_PALETTE) for colour in nearest], np.uint8)[where]
    near = 0
    for colour, taken, count in zip(found.tolist(), nearest, counts.tolist(), strict=True):
        pixels[taken if taken in declared else colour] = pixels.get(taken, 0) + count
        near += count if taken in declared else 0
    return ids, _rarer_together(pixels, description), near


def _histogram(values: np.ndarray, length: int) -> np.ndarray:
    """Occurrences of each of 0..length-1 in a flat array, int64; in pieces, as OpenCV counts in float32."""
    counts = np.zeros(length, np.int64)
    for start in range(0, len(values), _PIECE):
        piece = values[start : start + _PIECE]
        counts += cv2.calcHist([piece], [0], None, [length], [0, length]).reshape(-1).astype(np.int64)
    return counts


def _visible(mask: RawMask) -> np.ndarray:
    return mask.values if mask.transparent is None else mask.values[~mask.transparent]


def _rarer_together(pixels: dict[int, int], description: Description) -> dict[int, int]:
    """Few values of no class, so that a photograph taken for a mask does not fill the memory."""
    known = meanings(description)
    return {v: n for v, n in pixels.items() if v in known} | kept({v: n for v, n in pixels.items() if v not in known})


def wrong_values(values: MaskValues, description: Description) -> str:
    """What masks hold that no class has, for a message: the ids, or the most frequent colours."""
    wrong = [value for value in undeclared(values, description) if value >= 0]
    if description.palette is None:
        ids = sorted(value for value in wrong if value != IGNORE_INDEX)
        return f"ids that no class has ({', '.join(map(str, ids[:5]))})"
    return f"colours that no class has (most often {', '.join(name_of(value, description) for value in wrong[:3])})"
