"""What is said of the decoded tiles that are kept: `tools/prepare_data.py cache`."""

import time
from collections.abc import Sequence

from data.cache import CacheSettings
from data.caching.report import CacheReport, Cleared, cache_report, clear_cache
from data.caching.room import Entry
from data.checking.findings import counted
from tools.settings.upkeep import CacheReportSettings
from utils.runs.space import as_size
from utils.settings import SettingsError


def look_at_cache(settings: CacheReportSettings) -> None:
    """Print what the cache folders of a data set hold, or clear them.

    Raises:
        SettingsError: a path that is not a folder.
    """
    for field, path in (("data_dir", settings.data_dir), ("cache_dir", settings.cache_dir)):
        if path is not None and not path.is_dir():
            raise SettingsError(f"{{{field}}} {path} is not a folder; check the path")
    if settings.clear:
        lines = [_cleared(each) for each in clear_cache(settings.data_dir, settings.cache_dir)]
    else:
        lines = [_reported(each) for each in cache_report(settings.data_dir, settings.cache_dir)]
    folders = " and ".join(map(str, CacheSettings(settings.data_dir, settings.cache_dir).folders()))
    print("\n".join(lines) or f"no decoded tiles: there is no {folders}")


def _reported(report: CacheReport) -> str:
    """Folder, entries, tiles, bytes, limit, last use, and what is in use."""
    limit = f"of {as_size(report.limit)} by default (--cache-limit)"
    if report.last_use is None:
        return f"{report.folder}: no decoded tiles, 0 bytes {limit}"
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(report.last_use))
    in_use = [entry for entry in report.entries if entry.path.name in report.in_use]
    earlier = sum(entry.tiles is None for entry in report.entries)
    left = f", and {_entries(earlier)} that earlier versions left" if earlier else ""
    return (
        f"{report.folder}: {_entries(len(report.entries))} with {counted(report.tiles, 'tile')}{left}; "
        f"{as_size(report.bytes)} {limit}; last used {used}; "
        + (f"in use: {_amount(in_use)}" if in_use else "nothing is in use")
    )


def _cleared(cleared: Cleared) -> str:
    """What went, and what stays."""
    kept = f"; kept {_amount(cleared.kept)}, which running processes use" if cleared.kept else ""
    return f"{cleared.folder}: removed {_amount(cleared.removed)}{kept}"


def _amount(entries: Sequence[Entry]) -> str:
    return f"{_entries(len(entries))} ({as_size(sum(entry.bytes for entry in entries))})"


def _entries(number: int) -> str:
    return f"{number} entr{'y' if number == 1 else 'ies'}"
