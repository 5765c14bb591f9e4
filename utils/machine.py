"""What this machine lends to a process."""

import os


def usable_cores() -> int:
    """CPU cores that this process may use, at least one; a queue or a container may lend fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
