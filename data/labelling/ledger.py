"""What labels cost: `ledger.csv` beside a data set, a line for each label that a person gave."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data.labelling.tables import read_rows, rows_text

LEDGER_CSV = "ledger.csv"
MASK = "mask"


@dataclass(frozen=True)
class LedgerRow:
    """A line of `ledger.csv`.

    Attributes:
        round: of asking, from 1; 0 where nobody asked.
        name: of the tile.
        kind: `scene` or `mask`.
        source: the tool, such as `cvat`.
        draft: whether the label began as a draft of a model.
        minutes: that it took; None where nobody knows.
        time: when it came.
    """

    round: int
    name: str
    kind: str
    source: str
    draft: bool
    minutes: float | None
    time: str


def read_ledger(data_dir: Path) -> list[LedgerRow]:
    """The lines of a data set's ledger, none where it has no ledger.

    Raises:
        DataError: it cannot be used; says which line.
    """
    return read_rows(data_dir / LEDGER_CSV, LedgerRow)


def ledger_text(rows: Iterable[LedgerRow]) -> str:
    """The content of a ledger."""
    return rows_text(LedgerRow, rows)


def drafted_masks(data_dir: Path) -> set[str]:
    """Tiles whose mask, as it lies there, began as a draft of a model: scores on them favour that model.

    Raises:
        DataError: the ledger cannot be used.
    """
    newest = {row.name: row.draft for row in read_ledger(data_dir) if row.kind == MASK}
    return {name for name, draft in newest.items() if draft}


def now() -> str:
    """The time as the ledger has it."""
    return time.strftime("%Y-%m-%d %H:%M:%S")
