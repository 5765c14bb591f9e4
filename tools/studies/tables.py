"""The tables of a study, written from what its jobs have left behind."""

from dataclasses import dataclass
from pathlib import Path

from tools.studies.commands import SELECTION
from tools.studies.jobs import StudyJobs
from tools.studies.planning import times_of
from tools.studies.run_job import read_state
from utils.runs.files import write_text
from utils.studies.cells import Cell
from utils.studies.pairs import Grid, arms_of, pairings_of, refuse_unequal
from utils.studies.results import BEST, CHECKPOINTS, CellLabels, CellScore, read_labels, read_score
from utils.studies.score_tables import class_table, score_table, time_table


@dataclass(frozen=True)
class StudyResults:
    """What a study has found so far.

    Attributes:
        scores: of each cell and checkpoint, in the order of the cells; missing ones too.
        labels: of each cell.
        grid: areas and seeds.
    """

    scores: list[CellScore]
    labels: dict[Cell, CellLabels]
    grid: Grid


def read_results(jobs: StudyJobs) -> StudyResults:
    """Read what is there.

    Raises:
        DataError: a file is not what it has to be, or pairs do not share what they have to.
    """
    scores: list[CellScore] = []
    labels: dict[Cell, CellLabels] = {}
    by_name = {job.name: job for job in jobs.jobs}
    for cell in jobs.cells:
        job = by_name[cell.name]
        folder, area = jobs.folder / cell.name, next(a for a in jobs.areas[cell.data] if a.name == cell.area)
        for checkpoint in CHECKPOINTS:
            if area.val is None and checkpoint == BEST:
                continue  # nothing chose a best one
            scores.append(_score(cell, checkpoint, folder))
        chosen_by = [by_name[need] for need in job.needs if by_name[need].kind == SELECTION]
        selection = chosen_by[0].steps[0].folder if chosen_by else None
        labels[cell] = read_labels(folder / "run", area.train, selection)
    grid = Grid({name: [area.name for area in areas] for name, areas in jobs.areas.items()}, jobs.study.seeds)
    refuse_unequal(pairings_of(arms_of(jobs.cells)), grid, labels)
    return StudyResults(scores, labels, grid)


def _score(cell: Cell, checkpoint: str, folder: Path) -> CellScore:
    """A score, once its command has ended well: a later attempt may still change what is there before."""
    is_done = read_state(folder).get(checkpoint, {}).get("done")
    return read_score(cell, checkpoint, folder / checkpoint) if is_done else CellScore(cell, checkpoint)


def write_tables(jobs: StudyJobs, results: StudyResults) -> list[Path]:
    """Write `scores.csv`, `class_scores.csv` and `times.csv`; returns their paths."""
    texts = {
        "scores.csv": score_table(results.scores, results.labels),
        "class_scores.csv": class_table(results.scores),
        "times.csv": time_table(times_of(jobs)),
    }
    for name, text in texts.items():
        write_text(jobs.folder / name, text)
    return [jobs.folder / name for name in texts]
