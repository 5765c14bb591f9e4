"""What this machine lends to a process; what a system does not tell is None."""

import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def usable_cores(root: Path = Path("/")) -> int:
    """CPU cores that this process may use, at least one; a queue or a container may lend fewer than there are.

    Args:
        root: where Linux keeps `proc` and `sys`.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *(int(limit) for limit in _cpu_limits(root))]))


def _cpu_limits(root: Path) -> list[float]:
    """Cores whose time the process's control groups (version 1 or 2) may take; none where there is no limit."""
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # not Linux
        return []
    limits = []
    for line in groups:
        _, controllers, name = (line + "::").split(":")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        folder = mount / name.lstrip("/")
        for place in (folder, *(parent for parent in folder.parents if mount in (parent, *parent.parents))):
            limits += _limit_in(place)
    return limits


def _limit_in(folder: Path) -> list[float]:
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii") for name in ("quota", "period")
            )
        return [int(quota) / int(period)] if quota.strip() not in ("max", "-1") else []
    except (OSError, ValueError, ZeroDivisionError):
        return []


def ask_gpus(field: str, gpu: str | None = None) -> list[str]:
    """What the driver says of each GPU, or of one; nothing where there is none, or no driver.

    Args:
        field: such as `name`; `nvidia-smi --help-query-gpu` lists them.
        gpu: its number or identifier; None: all.
    """
    query = ["nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader", *(["--id", gpu] if gpu else [])]
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout
        return [line.strip() for line in answer.splitlines() if line.strip()]
    return []


def this_machine(gpu: str | None = None) -> str:
    """The machine in words: its name, its cores, its GPUs, or the one that is used of them."""
    cores = usable_cores()
    names = sorted(set(ask_gpus("name", gpu)))
    return ", ".join([platform.node(), f"{cores} core{'s' * (cores != 1)}", *names])


def total_memory() -> int | None:
    """Bytes of the machine's memory."""
    return _memory("SC_PHYS_PAGES")


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes of memory that a process can have: those that nothing uses, and what the system keeps of files.

    Args:
        root: where Linux keeps `proc`.
    """
    with suppress(OSError, ValueError):
        for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return _memory("SC_AVPHYS_PAGES")


def _memory(pages: str) -> int | None:
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf, macOS no count of free pages
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf(pages)
    return None


def peak_resident() -> int | None:
    """Largest number of bytes that this process has held in memory so far, or since `forget_peak` where that works."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        import resource  # Unix only
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """Let `peak_resident` begin anew; Linux alone can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
