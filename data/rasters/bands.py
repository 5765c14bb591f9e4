"""Which bands of a scene are used, and in which order."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from data.rasters.scene import Band
from utils.errors import DataError, OptionError
from utils.imagery.bands import RGB_NAMES, Bands
from utils.suggest import unknown

_SPELLINGS = {"grey": "gray"}


def choose_bands(bands: Sequence[Band], asked: str | None = None, path: Path | None = None) -> tuple[Band, ...]:
    """The bands to use, in order.

    Args:
        bands: all of a scene.
        asked: the text of `--bands`: numbers from 1, descriptions or colour interpretations, separated by commas, in
            any case. None: red, green and blue where the file says which they are, else all where there are one or
            three beside masks.
        path: the scene, for messages.

    Raises:
        OptionError: a band is asked for that is not there, not one, or twice; or the choice is not clear without
            being asked for. The message lists the bands.
    """
    if asked is not None:
        return _asked_for(bands, asked, path)
    by_colour = [[band for band in bands if band.interpretation == colour] for colour in RGB_NAMES]
    if all(len(found) == 1 for found in by_colour):
        return tuple(found[0] for found in by_colour)
    measured = tuple(band for band in bands if not band.is_mask)
    if len(measured) in (1, 3):
        return measured
    raise OptionError(
        f"{_of(path)}has {len(measured)} bands and does not say which are red, green and blue; choose with --bands, "
        f"such as --bands 3,2,1, from {listing(bands)}"
    )


def _asked_for(bands: Sequence[Band], asked: str, path: Path | None) -> tuple[Band, ...]:
    chosen: list[Band] = []
    for word in asked.split(","):
        band = _named(bands, word.strip(), path)
        if band in chosen:
            raise OptionError(f"--bands {asked} names band {band.index} twice; name each band once")
        chosen.append(band)
    return tuple(chosen)


def _named(bands: Sequence[Band], word: str, path: Path | None) -> Band:
    """The band of a number, else of a description, else of a colour interpretation."""
    if not word:
        raise OptionError("--bands holds an empty name; write numbers or names with single commas between them")
    lower = _spelled(word)
    for found in (
        [band for band in bands if word == str(band.index)],
        [band for band in bands if _spelled(band.name) == lower],
        [band for band in bands if lower == band.interpretation.lower() != "undefined"],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise OptionError(f"--bands {word}: {_of(path)}has {len(found)} bands of that name; give one by its number")
    if word.isdecimal():
        raise OptionError(f"--bands {word}: {_of(path)}has no such band; it has {listing(bands)}")
    fault = unknown("band", word, [band.name for band in bands])
    raise OptionError(f"--bands: {fault} {_of(path)}has {listing(bands)}")


def with_names(bands: Sequence[Band], run: Bands, path: Path) -> tuple[tuple[Band, ...], bool]:
    """The bands of a scene that are those of a run, in the run's order.

    Each is the one of the run's name, by description or colour interpretation. Where that does not find all of them:
    those at the indices of a set that was described by hand, or all bands of a scene that has as many, if the names of
    one side are numbers alone; or one grey band for red, green and blue alike.

    Args:
        bands: all of the scene.
        run: bands of the run.
        path: the scene, for messages.

    Returns:
        The bands, and whether they were found by their order and not by name.

    Raises:
        DataError: they are not all there, or not clear. The message lists both sides.
    """
    by_name = [_with_name(bands, name) for name in run.names]
    found = [band for band in by_name if band is not None]
    if len({band.index for band in found}) == len(run.names):
        return tuple(found), False
    measured = tuple(band for band in bands if not band.is_mask)
    is_given = run.indices != tuple(range(1, len(run.names) + 1)) and max(run.indices) <= len(bands)
    numbered = _are_numbers(band.name for band in measured) or _are_numbers(run.names)
    if numbered and is_given:
        return tuple(bands[index - 1] for index in run.indices), True
    if numbered and len(measured) == len(run.names):
        return measured, True
    if len(measured) == 1 and measured[0].interpretation == "gray" and run.is_rgb:
        return measured * 3, False
    missing = [name for name, band in zip(run.names, by_name, strict=True) if band is None]
    raise DataError(
        f"{path} has the bands {listing(bands)}, but the run sees {', '.join(run.names)}"
        + (f", of which {', '.join(missing)} is not clear there" if found and missing else "")
        + "; describe them by these names in the file, or give a file (a VRT will do) of these bands in this order"
    )


def _with_name(bands: Sequence[Band], name: str) -> Band | None:
    lower = _spelled(name)
    for found in (
        [band for band in bands if _spelled(band.name) == lower],
        [band for band in bands if band.interpretation.lower() == lower != "undefined"],
    ):
        if len(found) == 1:
            return found[0]
    return None


def _spelled(name: str) -> str:
    return _SPELLINGS.get(name.lower(), name.lower())


def _are_numbers(names: Iterable[str]) -> bool:
    """Whether names say nothing but which band is which: `band 1`, or grey of several."""
    return all(re.fullmatch(r"band \d+", name) for name in names)


def left_out(bands: Sequence[Band], chosen: Sequence[Band]) -> tuple[Band, ...]:
    """Bands that are neither used nor masks."""
    return tuple(band for band in bands if band not in chosen and not band.is_mask)


def listing(bands: Sequence[Band]) -> str:
    """Bands in words: number, name, and the colour interpretation where it says more."""
    words = []
    for band in bands:
        extra = "" if band.interpretation in (band.name, "undefined", "gray") else f" ({band.interpretation})"
        words.append(
            f"{band.index} {band.name}{extra}" if band.name != f"band {band.index}" else f"{band.index}{extra}"
        )
    return ", ".join(words)


def check_same_bands(first: Sequence[Band], others: Sequence[Band], first_path: Path, path: Path) -> None:
    """Refuse a scene whose bands are not those of the first one, in names, number or type.

    Raises:
        DataError: says how they differ.
    """
    if [(band.name.lower(), band.dtype) for band in first] != [(band.name.lower(), band.dtype) for band in others]:
        raise DataError(
            f"{path} gives the bands {_typed(others)}, but {first_path} gives {_typed(first)}; "
            "prepare scenes of one kind together, or choose bands with --bands"
        )


def _typed(bands: Sequence[Band]) -> str:
    return ", ".join(f"{band.index} {band.name} {band.dtype}" for band in bands)


def _of(path: Path | None) -> str:
    return f"{path} " if path else "the scene "
