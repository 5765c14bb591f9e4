"""What this machine lends to a process; what a system does not tell is None."""

import os
import sys
from contextlib import suppress


def usable_cores() -> int:
    """CPU cores that this process may use, at least one; a queue or a container may lend fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def total_memory() -> int | None:
    """Bytes of the machine's memory."""
    return _memory("SC_PHYS_PAGES")


def free_memory() -> int | None:
    """Bytes of memory that nothing uses."""
    return _memory("SC_AVPHYS_PAGES")


def _memory(pages: str) -> int | None:
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf, macOS no count of free pages
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf(pages)
    return None


def peak_resident() -> int | None:
    """Largest number of bytes that this process has held in memory so far."""
    try:
        import resource  # Unix only
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
