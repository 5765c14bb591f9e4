"""Masks whose names differ from their images': paired by a regular expression, as `patchN_(\\d+)=mask_\1`."""

import re
from collections import defaultdict
from collections.abc import Sequence

from utils.errors import DataError, OptionError
from utils.patterns import TooSlowError, replace_all
from utils.suggest import first_names

_EXPECTED = (
    r"expected IMAGE=MASK, a regular expression and what takes its match's place, such as 'patchN_(\d+)=mask_\1'"
)


def match_names(images: Sequence[str], masks: Sequence[str], expression: str) -> dict[str, str]:
    r"""The mask of each image that has one: its name is the image's with the first match replaced.

    Args:
        images, masks: names without endings.
        expression: `IMAGE=MASK`, where IMAGE is searched in an image's name and MASK takes the place of what it
            matched; `\1` is its first group. The last `=` parts the two.

    Returns:
        Masks by image, in the order of the images; images without a mask are left out.

    Raises:
        OptionError: it is no such expression, takes too long, or gives no image a mask.
        DataError: two images would share one mask.
    """
    pattern, replacement = _parted(expression)
    try:
        wanted = replace_all(pattern, replacement, images)
    except TooSlowError as error:
        raise OptionError(
            f"--match {expression!r} finds no end in '{error.text}': {error.seconds:g} seconds were over; write it "
            "without a repetition inside a repetition"
        ) from error
    known = set(masks)
    found = {image: mask for image, mask in zip(images, wanted, strict=True) if mask in known}
    if not found:
        raise OptionError(f"--match {expression!r} {_nothing(images, wanted, masks)}")
    images_of = defaultdict(list)
    for image, mask in found.items():
        images_of[mask].append(image)
    if shared := {mask: of for mask, of in images_of.items() if len(of) > 1}:
        mask, of = next(iter(shared.items()))
        raise DataError(
            f"--match {expression!r} gives {len(shared)} mask{'s' if len(shared) > 1 else ''} to several images, such "
            f"as '{mask}' to {first_names(of)}; write it so that each mask has one image"
        )
    return {image: mask for image, mask in found.items() if mask is not None}


def _parted(expression: str) -> tuple[str, str]:
    pattern, separator, replacement = expression.rpartition("=")
    if not separator or not pattern or not replacement:
        raise OptionError(f"--match {expression!r}: {_EXPECTED}")
    try:
        re.compile(pattern).sub(replacement, "")  # also reads the replacement
    except (re.error, IndexError) as error:
        raise OptionError(f"--match {expression!r}: {error}; {_EXPECTED}") from error
    return pattern, replacement


def _nothing(images: Sequence[str], wanted: Sequence[str | None], masks: Sequence[str]) -> str:
    """Why no image has a mask."""
    matched = [(image, mask) for image, mask in zip(images, wanted, strict=True) if mask is not None]
    if not matched:
        return f"matches none of the {len(images)} images ({first_names(sorted(images))})"
    image, mask = matched[0]
    return (
        f"makes '{mask}' of '{image}', and there is no such mask, nor one of the {len(matched) - 1} other images it "
        f"matches; the {len(masks)} masks are {first_names(sorted(masks))}"
    )
