"""How long nothing has happened in the folder of a run that another process may or may not be working on."""

import time
from pathlib import Path


class IdleWatch:
    """Notes at each look whether a folder's files have changed since the one before.

    Clocks of other machines do not matter: a change is a difference between two looks, its time that of the look.

    Args:
        folder: of the run; its sub-folders do not count.
        minutes: without a change that are too many.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.minutes = folder, minutes
        self._seen: object = None
        self._since = 0.0

    def is_idle(self) -> bool:
        """Look once more; whether the folder has stood still for too long."""
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
