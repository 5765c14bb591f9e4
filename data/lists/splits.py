"""Lists of tile names: reading and checking them, splitting a set, choosing the random baseline."""

import glob
import re
import tokenize
import zipfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.descriptions import Description, leaves_folder
from utils.errors import DataError, OptionError, warn
from utils.paths import LONGEST_NAME, MISSING, no_file, read_bytes, reason_of
from utils.selection.names import PARTIAL
from utils.suggest import first_names

IMAGE_ENDINGS = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
_LONGEST_NAME = LONGEST_NAME - 4  # bytes between two slashes, so that .png or .npy may follow


def read_names(path: Path, description: Description) -> list[str]:
    """Read a list of tile names, one a line, in the order of the file.

    CRLF, a byte-order mark, blank lines, blanks around a name and known image endings are fine.

    Raises:
        OptionError: no such file.
        DataError: undecodable, empty, repeated names, or a name that leaves the data folder or is too long for a file
            (with its line).
    """
    if (fault := no_file(path)) is not None:
        found = f"no list of names at {path}" if fault == MISSING else f"{path} {fault}"
        raise OptionError(f"{found}; give a text file with one tile name a line")
    content = read_bytes(path, OptionError)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: not UTF-8 text; one tile name a line is expected") from error
    names: dict[str, int] = {}
    for number, line_text in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if not line_text.strip():
            continue
        name = tile_name(line_text, description)
        if "\0" in name:
            raise DataError(
                f"{path}, line {number}: {name!r} holds a NUL byte, which no file name can; correct the line"
            )
        if leaves_folder(name):
            raise DataError(f"{path}, line {number}: '{name}' leads out of the data folder; give names below it")
        if any(len(part.encode()) > _LONGEST_NAME for part in name.split("/")):
            raise DataError(
                f"{path}, line {number}: {len(line_text)} characters are no tile name; one tile name a line is expected"
            )
        if name in names:
            raise DataError(f"{path}, line {number}: '{name}' stands on line {names[name]} already; remove one")
        names[name] = number
    if not names:
        raise DataError(f"{path} holds no names; one tile name a line is expected")
    return list(names)


def tile_name(text: str, description: Description) -> str:
    """A tile's name from a line of a list: without blanks around it and without a known image ending.

    Where the description's own paths do not say the ending, it is part of the name.
    """
    name = text.strip()
    if description.images.endswith("{name}"):
        return name
    for template in (description.images, description.masks):
        ending = template.partition("{name}")[2]
        if ending and name.endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    for ending in IMAGE_ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            return name[: -len(ending)]
    return name


def read_names_array(path: Path, description: Description, known: Sequence[str], list_path: Path) -> list[str]:
    """Read the names that the active learner chose: its `.npy`, or a text file with one name a line.

    Args:
        path: `.npy` with a one-dimensional array of text, or a text file.
        description: the data set, for the endings of its files.
        known: the names of the data list, which the array must be part of.
        list_path: that list's path, for the message.

    Raises:
        OptionError: no such file.
        DataError: the array holds something else than text, is empty, repeats a name or names an unknown tile.
    """
    names = read_chosen(path, description)
    known_names = set(known)
    if strangers := [name for name in names if name not in known_names]:
        raise DataError(
            f"{path}: {len(strangers)} of {len(names)} names are not in {list_path} "
            f"({first_names(map(repr, strangers))}); give the list that the names were chosen from"
        )
    return names


def read_chosen(path: Path, description: Description) -> list[str]:
    """As `read_names_array`, whatever the tiles are called."""
    if (fault := no_file(path)) is not None:
        found = f"no names array at {path}" if fault == MISSING else f"{path} {fault}"
        so_far = sorted(path.parent.glob(f"*/{glob.escape(f'{path.stem}{PARTIAL}{path.suffix}')}"))  # in runs' folders
        hint = (
            f"; {', '.join(map(str, so_far[:3]))} holds those so far, and train_AL.py --resume goes on"
            if so_far
            else ""
        )
        raise OptionError(f"{found}; tools/train_AL.py writes one and prints its path{hint}")
    if path.stem.endswith(PARTIAL):
        warn(f"{path} holds the names of a selection that has not ended; train_AL.py --resume goes on with it")
    if path.suffix == ".npy":
        names = [tile_name(str(name), description) for name in _load_text_array(path)]
    else:
        names = read_names(path, description)
    if not names:
        raise DataError(f"{path} holds no names; at least one labelled tile is needed")
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{path} repeats {first_names(map(repr, repeated))}; each tile may be named once")
    return names


_LOADING_ERRORS = (
    ValueError, OSError, EOFError, SyntaxError, TypeError, MemoryError, NotImplementedError,
    tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip


def _load_text_array(path: Path) -> np.ndarray:
    expected = "expected a one-dimensional array of text as tools/train_AL.py writes it"
    try:
        array = np.load(path, allow_pickle=False)
        if isinstance(array, np.ndarray) and array.dtype.kind == "U":
            array.astype(array.dtype.newbyteorder("<")).tobytes().decode("utf-32-le")  # damaged text shows here
    except _LOADING_ERRORS as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error) or "pickle" in str(error):
            raise DataError(f"{path} holds Python objects, which are never loaded; {expected}") from error
        if isinstance(error, PermissionError):
            raise OptionError(f"{path} cannot be read ({reason_of(error)}); check its rights") from error
        raise DataError(f"{path} is not a readable .npy file; {expected}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an archive of arrays; {expected}")
    if array.dtype.kind != "U" or array.ndim != 1:
        raise DataError(f"{path} holds {array.dtype} of shape {array.shape}; {expected}")
    return array


def random_names(names: Sequence[str], count: int, seed: int) -> list[str]:
    """The random baseline: `count` names drawn without replacement, in the order of the draw."""
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[i] for i in order[:count]]


def split_names(
    names: Sequence[str],
    share: float,
    seed: int,
    stratum: Mapping[str, str] | None = None,
    group: Mapping[str, str] | None = None,
) -> tuple[list[str], list[str]]:
    """Split names in two, seeded, stratified by scene class; tiles of one scene stay on one side.

    Args:
        names: all names.
        share: share of the second part, in (0, 1).
        seed: seed of the draw.
        stratum: scene class of a name, where one is known; each class is split by the same share.
        group: scene of a name, where one is known. With groups, whole scenes are drawn until the second part has
            its share, and strata are not used: the few scenes seldom allow both.

    Returns:
        The first part (1 - share) and the second part (share), each in the order of `names`, neither empty where
        there are two tiles or scenes or more.
    """
    rng = np.random.default_rng(seed)
    second: set[str] = set()
    if group and len({group.get(name, name) for name in names}) > 1:
        members: dict[str, list[str]] = defaultdict(list)
        for name in names:
            members[group.get(name, name)].append(name)
        keys = sorted(members)
        wanted = share * len(names)
        for index in rng.permutation(len(keys))[:-1]:
            tiles = members[keys[index]]
            if len(second) + len(tiles) / 2 <= wanted:  # nearer to the share with these tiles than without
                second.update(tiles)
        if not second:
            smallest = min(members.values(), key=len)
            second.update(smallest)
    else:
        strata: dict[str, list[str]] = defaultdict(list)
        for name in names:
            strata[(stratum or {}).get(name, "")].append(name)
        wanted_so_far, taken = 0.0, 0
        for key in sorted(strata):  # the remainders of small classes add up instead of being lost
            members_here = strata[key]
            wanted_so_far += share * len(members_here)
            count = max(0, min(len(members_here), round(wanted_so_far - taken)))
            taken += count
            second.update(members_here[i] for i in rng.permutation(len(members_here))[:count])
        if len(names) > 1 and len(second) in (0, len(names)):
            second ^= {names[int(rng.integers(len(names)))]}
    return [n for n in names if n not in second], [n for n in names if n in second]
