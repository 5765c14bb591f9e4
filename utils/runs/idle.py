"""Deciding that a training in another process has ended: no file in its folder has changed for a time."""

import time
from pathlib import Path


class IdleWatch:
    """Compares a folder's files, at each call of `is_idle`, with those at the call before.

    The watch reads this machine's clock alone, for file times of another machine may be off: a change happened when
    it was seen.

    Args:
        folder: the run's folder; its sub-folders do not count.
        minutes: time without a change after which the folder is idle.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.minutes = folder, minutes
        self._seen: object = None
        self._since = 0.0

    def is_idle(self) -> bool:
        """Compare the files once more; True where none has changed for `minutes`."""
        seen, now = self._state(), time.monotonic()
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since >= 60 * self.minutes

    def _state(self) -> list[tuple[str, int, int]]:
        state = []
        for path in self.folder.glob("*"):
            try:
                status = path.stat()
            except OSError:  # a file that has just gone or been renamed
                continue
            state.append((path.name, status.st_size, status.st_mtime_ns))
        return sorted(state)
