"""The room that a cache takes: what it holds, its limit, and what goes first when more is needed."""

import math
import os
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data.caching.slabs import INDEX, KINDS, TILES, kind_and_shape
from data.caching.users import names_in_use, own_names
from utils.errors import DataError, warn
from utils.paths import private_name
from utils.runs.space import as_sizes, free_space
from utils.settings import SettingsError
from utils.wording import worded

MAX_LIMIT = 20_000_000_000  # bytes that a cache takes by default, where the disk has five times as many
SHARE = 5  # else one part in so many of what would be free without the cache
_TRIES, _PAUSE = 5, 0.1  # seconds, to wait for other processes
_ABANDONED = 24 * 3600  # seconds after which a private folder belongs to a process that was killed
_EARLIER = re.compile(rf"({'|'.join(KINDS)})-[0-9a-f]{{16}}-[0-9a-f]{{16}}")  # one array a list, without an index
_EARLIER_FILES = {TILES, "notes.json", "variants.json"}
_WRITTEN = re.compile(rf"\.({'|'.join(KINDS)})-\d+(?:x\d+)+\.\d+-[0-9a-f]+")  # a slab that is being written
_PRIVATE = re.compile(rf"\.({'|'.join(KINDS)})-.+")


@dataclass(frozen=True)
class Entry:
    """Something that a cache holds: a slab, or a list's tiles in the layout of earlier versions.

    Attributes:
        path: its folder.
        kind: `images`, `masks` or `file-masks`.
        tiles: how many; None in the earlier layout, which does not say.
        bytes: it takes.
        last_use: when a list was last opened that has tiles in it; seconds since 1970.
    """

    path: Path
    kind: str
    tiles: int | None
    bytes: int
    last_use: float


def entries(cache: Path) -> list[Entry]:
    """All that a cache folder holds, the oldest use first; nothing else that lies there."""
    if not cache.is_dir():
        return []
    found = (_entry(path) for path in cache.iterdir())
    return sorted((entry for entry in found if entry is not None), key=lambda entry: (entry.last_use, entry.path))


def _entry(path: Path) -> Entry | None:
    described, earlier = kind_and_shape(path.name), _EARLIER.fullmatch(path.name)
    if described is None and earlier is None:
        return None
    try:
        with os.scandir(path) as found:
            files = {file.name: file.stat() for file in found}
    except OSError:  # removed meanwhile, or not a folder
        return None
    size = sum(stat.st_size for stat in files.values())
    if described is not None:
        tiles = files[TILES].st_size // math.prod(described[1]) if TILES in files else 0
        last_use = files[INDEX].st_mtime if INDEX in files else 0.0
        return Entry(path, described[0], tiles, size, last_use)
    assert earlier is not None
    if not files.keys() <= _EARLIER_FILES or TILES not in files:
        return None
    return Entry(path, earlier[1], None, size, max(files[TILES].st_mtime, files[TILES].st_atime))


def default_limit(cache: Path, held: int) -> int:
    """Bytes that a cache takes by default: 20 GB, or a fifth of what would be free without it if that is less."""
    return min(MAX_LIMIT, (free_space(cache) + held) // SHARE)


def fits(cache: Path, needed: int, limit: int | None) -> bool:
    """Whether so many bytes more fit in without anything being removed."""
    total = sum(entry.bytes for entry in entries(cache))
    return needed <= free_space(cache) and total + needed <= (default_limit(cache, total) if limit is None else limit)


def make_room(cache: Path, needed: int, kind: str, limit: int | None) -> None:
    """Remove what no living process uses, the oldest use first, until so many bytes more fit into limit and disk.

    What is used stays, and may take more than the default limit, which is said; a limit that was given holds.

    Args:
        cache: the cache folder.
        needed: bytes to be written.
        kind: of the tiles, for a message.
        limit: bytes that the cache may take; None: the default.

    Raises:
        OptionError: the given limit is too small.
        DataError: the disk is.
    """
    remove_abandoned(cache)
    for tries_left in reversed(range(_TRIES)):
        held = entries(cache)
        total = sum(entry.bytes for entry in held)
        allowed = default_limit(cache, total) if limit is None else limit
        in_use = names_in_use(cache)
        unused = [entry for entry in held if entry.path.name not in in_use]
        used = total - sum(entry.bytes for entry in unused)
        may_go = limit is None or used + needed <= limit  # else nothing is removed in vain
        for entry in unused if may_go else ():
            if total + needed <= allowed and needed <= free_space(cache):
                break
            if remove(cache, [entry.path]):
                total -= entry.bytes
        free = free_space(cache)
        if total + needed <= allowed and needed <= free:
            return
        if not tries_left or not in_use - own_names(cache):
            break
        time.sleep(_PAUSE)  # another process may only look for its tiles, and uses all for that moment
    if limit is not None and total + needed > limit:
        texts = as_sizes(needed, limit, used)
        beside = f"beside {texts[2]} in use there, " if used else ""
        raise SettingsError(
            f"the cache of decoded {kind} needs {texts[0]}, {beside}and its limit is {texts[1]}; give a larger "
            "{cache_limit}, or {no_cache}"
        )
    if needed > free:
        texts = as_sizes(needed, free)
        raise DataError(
            worded(
                f"the cache of decoded {kind} needs {texts[0]}, {texts[1]} are free at {{}}; "
                "give {cache_dir} on another disk, or {no_cache}",
                cache,
            )
        )
    texts = as_sizes(total + needed, allowed)
    warn(
        worded(
            f"the decoded tiles in use take {texts[0]} in {{}}, more than the {texts[1]} that a cache takes by default "
            "({cache_limit}, {no_cache})",
            cache,
        )
    )


def remove(cache: Path, paths: Iterable[Path]) -> list[Path]:
    """Remove those entries that no living process uses, and return them."""
    removed = []
    for path in paths:
        if path.name in names_in_use(cache):
            continue
        aside = private_name(path)
        try:
            os.utime(path)  # else it seems to be abandoned at once
            path.rename(aside)
        except OSError:  # another process was faster, or it is mapped, where that keeps a file
            continue
        if path.name in names_in_use(cache):  # by a process that has looked for it meanwhile
            with suppress(OSError):
                aside.rename(path)
                continue
        shutil.rmtree(aside, ignore_errors=True)
        removed.append(path)
    return removed


def remove_abandoned(cache: Path) -> None:
    """Remove what killed processes left behind: slabs that nobody writes any more, else what is private and old."""
    private = [path for path in cache.iterdir() if _PRIVATE.fullmatch(path.name)]
    in_use = names_in_use(cache)
    for path in private:
        with suppress(OSError):  # another process was faster
            is_slab = _WRITTEN.fullmatch(path.name) is not None and path.name not in in_use
            if is_slab or time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
