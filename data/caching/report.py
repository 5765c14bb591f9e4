"""What a cache folder holds, and emptying it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.cache import CacheSettings
from data.caching.room import Entry, default_limit, entries, remove, remove_abandoned
from data.caching.users import names_in_use


@dataclass(frozen=True)
class CacheReport:
    """What a cache folder holds.

    Attributes:
        folder: the folder.
        entries: slabs of tiles, and what earlier versions left; the oldest use first.
        in_use: names of those that living processes use.
        limit: bytes that it may take.
    """

    folder: Path
    entries: Sequence[Entry]
    in_use: frozenset[str]
    limit: int

    @property
    def tiles(self) -> int:
        """Decoded tiles, without those that earlier versions left."""
        return sum(entry.tiles or 0 for entry in self.entries)

    @property
    def bytes(self) -> int:
        """Bytes of all entries."""
        return sum(entry.bytes for entry in self.entries)

    @property
    def last_use(self) -> float | None:
        """When a list was last opened from it, in seconds since 1970; None where it is empty."""
        return max((entry.last_use for entry in self.entries), default=None)


@dataclass(frozen=True)
class Cleared:
    """What was removed from a cache folder.

    Attributes:
        folder: the folder.
        removed: what went.
        kept: what living processes use.
    """

    folder: Path
    removed: Sequence[Entry]
    kept: Sequence[Entry]

    @property
    def bytes(self) -> int:
        """Bytes that are free now."""
        return sum(entry.bytes for entry in self.removed)


def cache_report(data_dir: Path, cache_dir: Path | None = None, limit: int | None = None) -> list[CacheReport]:
    """What is kept of a data set's tiles; nothing is made or changed.

    Args:
        data_dir: the data set's folder.
        cache_dir: the cache folder; None: those that are chosen from.
        limit: as of `CacheSettings`.

    Returns:
        A report for each of the folders that is there. The user's cache folder may hold tiles of other sets, too.
    """
    reports = []
    for folder in _folders(data_dir, cache_dir):
        held = entries(folder)
        allowed = default_limit(folder, sum(entry.bytes for entry in held)) if limit is None else limit
        names = names_in_use(folder) & {entry.path.name for entry in held}
        reports.append(CacheReport(folder, held, frozenset(names), allowed))
    return reports


def clear_cache(data_dir: Path, cache_dir: Path | None = None) -> list[Cleared]:
    """Remove all that no living process uses, and nothing that is not of the cache; arguments as of `cache_report`."""
    results = []
    for folder in _folders(data_dir, cache_dir):
        remove_abandoned(folder)
        held = entries(folder)
        gone = set(remove(folder, [entry.path for entry in held]))
        kept = [entry for entry in held if entry.path not in gone and entry.path.is_dir()]
        results.append(Cleared(folder, [entry for entry in held if entry.path in gone], kept))
    return results


def _folders(data_dir: Path, cache_dir: Path | None) -> list[Path]:
    return [folder for folder in CacheSettings(data_dir, cache_dir).folders() if folder.is_dir()]
