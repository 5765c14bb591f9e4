"""What scene labels cost: lines of the ledger for those that people gave to the active learner."""

from collections.abc import Mapping
from pathlib import Path

from data.labelling.ledger import LEDGER_CSV, MASK, LedgerRow, ledger_text, now, read_ledger
from data.labelling.placing import locked
from utils.runs.files import write_text

SCENE = "scene"
_HARDLY = 0.0005  # minutes; below the digits of what a page notes


def note_scene_labels(data_dir: Path, rounds: Mapping[str, int], minutes: Mapping[str, float], source: str) -> None:
    """Add the labels that the ledger does not have yet, and minutes that were spent on others since.

    Args:
        data_dir: the data set's folder.
        rounds: in which round of asking, from 1, each labelled tile was asked for.
        minutes: that its label took, where it is known.
        source: who gave them.

    Raises:
        OptionError: the folder cannot be written, or another process is labelling.
        DataError: the ledger cannot be used.
    """
    before = read_ledger(data_dir)
    counted: dict[str, float] = {}
    for row in before:
        if row.kind == SCENE:
            counted[row.name] = counted.get(row.name, 0.0) + (row.minutes or 0.0)
    rows = []
    for name, number in rounds.items():
        spent, known = minutes.get(name), counted.get(name)
        if known is not None and (spent or 0.0) <= known + _HARDLY:
            continue
        more = None if spent is None else round(spent - (known or 0.0), 3)
        rows.append(LedgerRow(number, name, SCENE, source, draft=False, minutes=more, time=now()))
    if rows:
        with locked(data_dir):
            write_text(data_dir / LEDGER_CSV, ledger_text([*read_ledger(data_dir), *rows]))


def ledger_in_words(data_dir: Path) -> str:
    """What the labels of a data set have cost so far; empty where it has no ledger.

    Raises:
        DataError: the ledger cannot be used.
    """
    rows, parts = read_ledger(data_dir), []
    for kind, called in ((SCENE, "scene label"), (MASK, "mask")):
        names = {row.name for row in rows if row.kind == kind}
        timed = {row.name: row for row in rows if row.kind == kind and row.minutes is not None}
        if not names:
            continue
        spent = sum(row.minutes or 0.0 for row in rows if row.kind == kind)
        time = f"{spent:.1f} minutes" if timed else "minutes not known"
        some = f" for {len(timed)} of them" if 0 < len(timed) < len(names) else ""
        parts.append(f"{len(names)} {called}{'s' if len(names) > 1 else ''} ({time}{some})")
    return ", ".join(parts)
