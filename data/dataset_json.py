"""Reading and writing the `dataset.json` that describes a custom data set (format versions 1 and 2)."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.descriptions import BUILT_IN, DATASET_NAMES, Description, Exif, leaves_folder
from utils.errors import DataError, OptionError
from utils.imagery.bands import KEYS as KEYS_OF_BANDS
from utils.imagery.bands import bands_of_json
from utils.imagery.colours import RGB, distinct_colours, format_colour, parse_colour
from utils.imagery.labels import MAX_CLASSES
from utils.paths import read_bytes
from utils.suggest import unknown

FILE_NAME = "dataset.json"
STRETCH = "stretch"  # key: percentiles that ranges were measured by, over the training list; null: they were not


def load_description(dataset: str, data_dir: Path) -> Description:
    """The description of a data set: a built-in one, or the `dataset.json` of a custom set.

    Args:
        dataset: `ucm`, `deepglobe` or `custom`, in any case.
        data_dir: the data folder.

    Raises:
        OptionError: the name is unknown, or a custom set has no `dataset.json`.
        DataError: `dataset.json` cannot be used.
    """
    key = dataset.lower()
    if key not in DATASET_NAMES:
        raise OptionError(unknown("dataset", dataset, DATASET_NAMES))
    if key != "custom":
        return BUILT_IN[key]
    path = data_dir / FILE_NAME
    if not path.is_file():
        raise OptionError(
            f"no {path}; a custom data set is described by this file "
            "(`tools/prepare_data.py scenes` writes one, the README shows the format)"
        )
    return read_description(path)


def read_description(path: Path) -> Description:
    """Read a `dataset.json`, format version 1 or 2.

    Raises:
        DataError: malformed JSON (with its line), a missing or unusable key.
    """
    content = read_bytes(path)
    try:
        raw = json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: not JSON ({error.msg}); correct it") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except (RecursionError, ValueError) as error:  # a ValueError: a number of thousands of digits
        raise DataError(f"{path}: nested too deeply, or numbers too long, to be a description") from error
    try:
        return parse_description(raw)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


_KEYS = {
    "version", "name", "images", "masks", "classes", "palette", "ignore_colours", "scene_classes", "scene_labels",
    "group", "tile_size",
}  # fmt: skip
_KEYS_OF_2 = {"codes", "ignore_codes", "exif", STRETCH, *KEYS_OF_BANDS}  # further keys of version 2, all optional
_MAX_CODE = 65535


def parse_description(raw: Any) -> Description:
    """The description in the content of a `dataset.json`, format version 1 or 2.

    Raises:
        DataError: a missing or unusable key.
    """
    if not isinstance(raw, dict):
        raise DataError(f"expected an object with keys such as `images` and `classes`, found {type(raw).__name__}")
    for key in ("version", "name", "images", "masks", "classes"):
        if key not in raw:
            raise DataError(f"key `{key}` is missing")
    if raw["version"] not in (1, 2) or isinstance(raw["version"], bool):
        raise DataError(f"version {raw['version']!r} is not known; this program reads versions 1 and 2")
    if unknown_keys := sorted(set(raw) - _KEYS - _KEYS_OF_2):
        raise DataError(unknown("key", unknown_keys[0], sorted(_KEYS | _KEYS_OF_2)))
    if raw["version"] == 1 and (newer := sorted(set(raw) & _KEYS_OF_2)):
        raise DataError(f'key `{newer[0]}` belongs to version 2; write "version": 2')
    if not isinstance(raw["name"], str):
        raise DataError(f"`name` must be text, found {raw['name']!r}")
    _check_stretch(raw.get(STRETCH))
    classes = _names(raw, "classes")
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise DataError(f"`classes` must hold 2 to {MAX_CLASSES} names, found {len(classes)}")
    palette = _palette(raw.get("palette"), classes)
    codes, ignore_codes = _codes(raw, classes)
    scene_classes = _names(raw, "scene_classes") if raw.get("scene_classes") is not None else None
    if scene_classes and len(scene_classes) < 2:
        raise DataError("`scene_classes` must hold at least 2 names; give null where tiles have no scene class")
    return Description(
        name="custom",
        title=raw["name"],
        images=_template(raw, "images"),
        masks=_template(raw, "masks"),
        classes=classes,
        colours=palette or distinct_colours(len(classes)),
        palette=palette,
        ignore_colours=_ignore_colours(raw.get("ignore_colours"), palette),
        codes=codes,
        ignore_codes=ignore_codes,
        scene_classes=scene_classes,
        scene_labels=_scene_labels(raw.get("scene_labels"), scene_classes),
        group=_group(raw.get("group")),
        tile_size=_tile_size(raw.get("tile_size")),
        resample="area",
        exif=_exif(raw.get("exif")),
        bands=bands_of_json(raw),
    )


def _check_stretch(raw: Any) -> None:
    """Refuse what is no pair of percentages."""
    if raw is None:
        return
    is_pair = isinstance(raw, list) and len(raw) == 2 and all(type(value) in (int, float) for value in raw)
    if not is_pair or not 0 <= raw[0] < raw[1] <= 100:
        raise DataError(f"`{STRETCH}` must be two percentages such as [2, 98], or null, found {raw!r}")


def _names(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = raw[key]
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise DataError(f"`{key}` must be a list of names, found {names!r}")
    if repeated := sorted({n for n in names if names.count(n) > 1}):
        raise DataError(f"`{key}` repeats {', '.join(repeated)}; each name may stand once")
    return tuple(names)


def _template(raw: Mapping[str, Any], key: str) -> str:
    template = raw[key]
    if not isinstance(template, str) or template.count("{name}") != 1:
        raise DataError(f'`{key}` must be a path with {{name}} in it, such as "{key}/{{name}}.png", found {template!r}')
    if "\0" in template:
        raise DataError(f"`{key}` holds a NUL character, which no path can; found {template!r}")
    if leaves_folder(template):
        raise DataError(f"`{key}` must stay below the data folder, found {template!r}")
    return template


def _palette(raw: Any, classes: tuple[str, ...]) -> tuple[RGB, ...] | None:
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise DataError(f"`palette` must map each class to #RRGGBB, or be null where masks hold ids, found {raw!r}")
    if set(raw) != set(classes):
        odd = sorted(set(raw) ^ set(classes))
        raise DataError(f"`palette` and `classes` differ in {', '.join(odd)}")
    palette = tuple(parse_colour(raw[name]) for name in classes)
    if len(set(palette)) < len(palette):
        raise DataError("`palette` gives two classes the same colour")
    return palette


def _ignore_colours(raw: Any, palette: tuple[RGB, ...] | None) -> tuple[RGB, ...]:
    if raw is None or raw == []:
        return ()
    if not isinstance(raw, list):
        raise DataError(f"`ignore_colours` must be a list of #RRGGBB, found {raw!r}")
    if palette is None:
        raise DataError("`ignore_colours` needs a `palette`; for masks of ids give `ignore_codes`")
    colours = tuple(parse_colour(c) for c in raw)
    if clash := set(colours) & set(palette):
        raise DataError(f"{format_colour(min(clash))} is both a class and an ignored colour")
    return colours


def _codes(
    raw: Mapping[str, Any], classes: tuple[str, ...]
) -> tuple[tuple[tuple[int, ...], ...] | None, frozenset[int]]:
    """`codes` in the order of the classes, and `ignore_codes`."""
    codes, ignored = raw.get("codes"), raw.get("ignore_codes")
    if raw.get("palette") is not None and (codes is not None or ignored):
        raise DataError("`codes` and `ignore_codes` are values of masks of ids; with a `palette` leave them out")
    silent = frozenset(_code_list(ignored, "`ignore_codes`")) if ignored is not None else frozenset()
    if codes is None:
        of_class: tuple[tuple[int, ...], ...] | None = None
    elif not isinstance(codes, dict) or set(codes) != set(classes):
        raise DataError(f'`codes` must map each class to its values, such as {{"{classes[0]}": [1]}}, found {codes!r}')
    else:
        of_class = tuple(tuple(_code_list(codes[name], f"`codes` of {name}")) for name in classes)
        if empty := [name for name, values in zip(classes, of_class, strict=True) if not values]:
            raise DataError(f"`codes` of {empty[0]} is empty; a class needs a value")
    owners: dict[int, str] = {}
    for name, values in zip(classes, of_class or tuple((index,) for index in range(len(classes))), strict=True):
        for code in values:
            if code in owners:
                raise DataError(f"code {code} belongs to {owners[code]} and {name}; a value has one class")
            owners[code] = name
    if clash := sorted(silent & set(owners)):
        raise DataError(
            f"code {clash[0]} is both {owners[clash[0]]} and ignored; say which values the classes have "
            f"(--classes CODE={classes[0]},..., or `codes`)"
        )
    return of_class, silent


def _code_list(raw: Any, what: str) -> list[int]:
    if not isinstance(raw, list) or not all(type(code) is int and 0 <= code <= _MAX_CODE for code in raw):
        raise DataError(f"{what} must be a list of whole numbers of 0 to {_MAX_CODE}, found {raw!r}")
    return raw


def _scene_labels(raw: Any, scene_classes: tuple[str, ...] | None) -> str | None:
    if raw is None:
        return None
    if not isinstance(raw, str) or not raw.endswith(".csv") or leaves_folder(raw):
        raise DataError(f"`scene_labels` must name a .csv below the data folder, found {raw!r}")
    if scene_classes is None:
        raise DataError("`scene_labels` needs `scene_classes`")
    return raw


def _exif(raw: Any) -> Exif:
    if raw not in (None, "apply", "ignore"):
        raise DataError(f'`exif` must be "apply" or "ignore", found {raw!r}')
    return "ignore" if raw == "ignore" else "apply"


def _group(raw: Any) -> str | None:
    if raw is None:
        return None
    try:
        re.compile(raw)
    except (re.error, TypeError, RecursionError, OverflowError) as error:
        raise DataError(f"`group` must be a regular expression, found {raw!r} ({error})") from error
    return str(raw)


def _tile_size(raw: Any) -> int | None:
    if raw is not None and (not isinstance(raw, int) or isinstance(raw, bool) or not 16 <= raw <= 16384):
        raise DataError(f"`tile_size` must be a whole number of pixels from 16 to 16384, or null, found {raw!r}")
    return raw
