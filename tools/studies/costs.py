"""What people's labels take, by the ledgers beside the data sets of a study."""

from collections.abc import Iterable
from pathlib import Path

from data.labelling.ledger import MASK, LedgerRow, read_ledger
from data.labelling.scene_labels import SCENE
from tools.studies.jobs import StudyJobs
from utils.studies.costs import PeopleMinutes


def minutes_of(jobs: StudyJobs) -> dict[str, PeopleMinutes]:
    """What a mask and a scene label take on average, by data set; those of its areas' own folders count together.

    Raises:
        DataError: a ledger cannot be used.
    """
    found = {}
    for data in jobs.study.data:
        folders: dict[Path, None] = {data.data_dir: None}
        folders |= {area.data_dir: None for area in jobs.areas[data.name] if area.data_dir is not None}
        rows = [row for folder in folders for row in read_ledger(folder)]
        found[data.name] = PeopleMinutes(*_mean(rows, MASK), *_mean(rows, SCENE))
    return found


def _mean(rows: Iterable[LedgerRow], kind: str) -> tuple[float | None, int]:
    """Minutes of a label of a kind on average, and of how many labels they are known; a tile's lines count together."""
    spent: dict[str, float] = {}
    for row in rows:
        if row.kind == kind and row.minutes is not None:
            spent[row.name] = spent.get(row.name, 0.0) + row.minutes
    return (sum(spent.values()) / len(spent), len(spent)) if spent else (None, 0)
