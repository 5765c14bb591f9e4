"""What a run reports: a CSV line and TensorBoard scalars at a time."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import warn
from utils.console import valid_text
from utils.runs.files import storage_errors, write_text


class MetricsLog:
    """Numbers by step, appended to a CSV and to TensorBoard event files.

    Args:
        path: the CSV file.
        columns: names of the numbers; the first column is `step`.
        events: folder of the event files.
        first_step: lines of later steps, left by an interrupted run, are cut off.
        late: numbers of earlier steps that have become known since, by step.

    Raises:
        OptionError: the folder cannot be written; so do all methods.
        DataError: the disk is full; so do all methods.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        events: Path,
        first_step: int = 0,
        late: Mapping[int, Mapping[str, float]] | None = None,
    ) -> None:
        self.path, self.columns = path, ("step", *columns)
        kept = [row for row in read_rows(path) if int(row["step"]) <= first_step] if path.exists() else []
        for row in kept:
            row.update(_texts((late or {}).get(int(row["step"]), {})))
        write_text(path, self._lines([self.columns, *([row.get(c, "") for c in self.columns] for row in kept)]))
        with storage_errors(self.path):
            self._file = path.open("a", newline="", encoding="utf-8", errors="backslashreplace")
            self.events = open_events(events, first_step + 1 if first_step else None)
            for step, values in (late or {}).items():
                self._add_events(step, values)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line; numbers that are not given stay empty."""
        row = {"step": str(step)} | _texts(values)
        with storage_errors(self.path):
            self._file.write(self._lines([[row.get(column, "") for column in self.columns]]))
            self._file.flush()
            self._add_events(step, values)

    def _add_events(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.events.add_scalar(valid_text(name), value, step)

    def picture(self, name: str, picture: np.ndarray, step: int) -> None:
        """Add an RGB picture, uint8 (H, W, 3), to TensorBoard."""
        with storage_errors(self.path):
            self.events.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Finish both files."""
        with storage_errors(self.path):
            self._file.close()
            self.events.close()

    @staticmethod
    def _lines(rows: Sequence[Sequence[Any]]) -> str:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        return buffer.getvalue()


def open_events(folder: Path, purge_step: int | None = None) -> Any:
    """TensorBoard's writer of event files; one that writes nothing, after a warning, where it cannot name the folder.

    Args:
        folder: of the event files.
        purge_step: events from this step on, left by an interrupted run, no longer count.
    """
    if valid_text(str(folder)) == str(folder):
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        return SummaryWriter(str(folder), purge_step=purge_step)
    warn(f"no event files: TensorBoard writes only where a folder's name is UTF-8, and {folder} is not")
    return _NoEvents()


class _NoEvents:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def read_rows(path: Path) -> list[dict[str, str]]:
    """The lines of a log, as text by column; lines that are damaged or were cut short by a kill are left out."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return [row for row in csv.DictReader(file) if _is_whole(row)]


def _texts(values: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{value:.6g}" for name, value in values.items()}


def _is_whole(row: Mapping[str, str]) -> bool:
    try:
        for value in row.values():
            float(value or 0)  # a list where there are too many columns
        return int(row["step"]) >= 0 and None not in row.values()
    except (KeyError, ValueError, TypeError):
        return False
