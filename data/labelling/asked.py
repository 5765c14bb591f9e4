"""Which tiles people were asked to draw: `asked.csv` beside a data set, a line for each tile that was exported."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.labelling.ledger import now
from data.labelling.tables import read_rows, rows_text

ASKED_CSV = "asked.csv"


@dataclass(frozen=True)
class AskedRow:
    """A line of `asked.csv`.

    Attributes:
        round: of asking, from 1.
        name: of the tile.
        tool: that it was exported for.
        draft: whether a model's map went with it.
        time: of the export.
    """

    round: int
    name: str
    tool: str
    draft: bool
    time: str


def read_asked(data_dir: Path) -> dict[str, AskedRow]:
    """What was asked for, by tile.

    Raises:
        DataError: the table cannot be used; says which line.
    """
    return {row.name: row for row in read_rows(data_dir / ASKED_CSV, AskedRow)}


def ask(before: dict[str, AskedRow], names: Sequence[str], tool: str, drafted: Collection[str]) -> dict[str, AskedRow]:
    """The table after an export. A tile that was asked for before keeps its round; new ones share the next.

    A draft that once went out with a tile counts for good: its mask may have begun as one.
    """
    following = max((row.round for row in before.values()), default=0) + 1
    after, when = dict(before), now()
    for name in names:
        old = before.get(name)
        draft = name in drafted or (old is not None and old.draft)
        after[name] = AskedRow(old.round if old else following, name, tool, draft, when)
    return after


def asked_text(rows: Iterable[AskedRow]) -> str:
    """The content of the table."""
    return rows_text(AskedRow, rows)
