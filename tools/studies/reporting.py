"""The page and the tables of a study, from what its jobs have left behind."""

from collections.abc import Iterator
from pathlib import Path

from tools.said.command_lines import typed_again
from tools.studies.choices import Explained, explain
from tools.studies.commands import SELECTION, Job
from tools.studies.costs import minutes_of
from tools.studies.jobs import StudyJobs
from tools.studies.planning import remarks, times_of
from tools.studies.settings import STUDIES
from tools.studies.tables import StudyResults, read_results, write_tables
from tools.studies.timing.work import Lists
from utils.errors import UserError
from utils.runs.files import write_text
from utils.studies.cells import Cell
from utils.studies.report.chart import save_study_chart
from utils.studies.report.facts import Facts
from utils.studies.report.page import study_page
from utils.studies.summary import StudySummary, comparison_table, summarised
from utils.studies.words import amount_in_words, are, counted


def write_report(jobs: StudyJobs, study_file: Path) -> tuple[list[Path], str]:
    """Write the tables, `comparisons.csv`, the chart and `report.html`.

    Args:
        jobs: of the study.
        study_file: its TOML file.

    Returns:
        Their paths, and a remark on what is missing; empty where nothing is.
    """
    results = read_results(jobs)
    summary = summarised(jobs.cells, results.grid, results.scores, results.labels)
    written = write_tables(jobs, results)
    table, chart, page = (jobs.folder / name for name in ("comparisons.csv", "scores.png", "report.html"))
    write_text(table, comparison_table(summary))
    png = chart.read_bytes() if save_study_chart(chart, summary) else None
    write_text(page, study_page(summary, facts_of(jobs, results, study_file), png))
    return [*written, table, *([chart] if png else []), page], on_missing(summary)


def facts_of(jobs: StudyJobs, results: StudyResults, study_file: Path) -> Facts:
    """What the page says beside the results."""
    notes = [*_on_networks(jobs), *(remark.removeprefix("note: ") for remark in remarks(jobs))]
    explained = Explained()
    try:
        explained = explain(jobs, results)
    except UserError as error:  # the results are worth a page without the data set, too
        notes.append(f"What was chosen is not explained: {error}")
    return Facts(
        study=jobs.study,
        grid=results.grid,
        scores=results.scores,
        times=list(times_of(jobs)),
        minutes=minutes_of(jobs),
        validation=_validation_tiles(jobs),
        notes=notes,
        coverage=explained.scenes,
        shares=explained.shares,
        alike=explained.alike,
        overlapping=explained.overlapping,
        sheets=list(_sheets(jobs)),
        commands=[command_of(verb, jobs, study_file) for verb in ("plan", "run", "report")],
        study_file=study_file.read_text(encoding="utf-8"),
    )


def command_of(verb: str, jobs: StudyJobs, study_file: Path) -> str:
    """The command that does something with a study, where its folder is."""
    parent = jobs.folder.parent
    return typed_again(
        "study.py", [verb, str(study_file), *(["--studies-dir", str(parent)] if parent != STUDIES else [])]
    )


def on_missing(summary: StudySummary) -> str:
    """A remark on runs that are missing; empty where none is."""
    cells = sum(arm.cells for arm in summary.arms)
    if not summary.missing:
        return ""
    if summary.missing == cells:
        return (
            f"nothing has been scored yet, {counted(cells, 'run')} {are(cells)} missing; the page says what is planned"
        )
    return (
        f"{summary.missing} of {counted(cells, 'run')} {are(summary.missing)} missing; the page shows them as missing"
    )


def _validation_tiles(jobs: StudyJobs) -> list[int]:
    """How many tiles choose the checkpoint, in each area that has such a list."""
    lists = Lists(jobs)
    of_areas = [lists.names(area.val) for areas in jobs.areas.values() for area in areas if area.val is not None]
    return [len(names) for names in of_areas if names]


def _on_networks(jobs: StudyJobs) -> Iterator[str]:
    """What has to be known of networks that start from nothing."""
    for network in jobs.study.networks:
        if network.is_from_random_weights:
            yield (
                f"The classifier of {network.name} starts from random weights: before it has seen labels it knows "
                "nothing, and strategies that ask it choose accordingly. The published method starts from ImageNet "
                "weights."
            )


def _sheets(jobs: StudyJobs) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """For each data set the contact sheets of one choice by each strategy, all else of which is the same."""
    groups: dict[Cell, dict[str, Path]] = {}
    for job in jobs.jobs:
        if job.kind == SELECTION and (path := job.steps[0].folder / "chosen.png").is_file():
            groups.setdefault(_beside_strategy(job), {}).setdefault(job.cells[0].strategy, path)
    for data in jobs.study.data:
        of_data = [group for group in groups if group.data == data.name]
        if of_data:
            group = max(of_data, key=lambda each: len(groups[each]))  # the first one of those with most strategies
            where = f"{data.name}, {amount_in_words(group.amount)}, tested on {group.area}, seed {group.seed}"
            sheets = groups[group]
            found = [(f"{name}, in the order of choice.", sheets[name].read_bytes()) for name in sheets]
            yield f"The tiles that each strategy chose: {where}", found


def _beside_strategy(job: Job) -> Cell:
    cell = job.cells[0]
    return Cell(cell.data, cell.area, cell.network, cell.amount, "", "", cell.seed)
