"""The page and the tables of a study, from what its jobs have left behind."""

from collections.abc import Iterator
from pathlib import Path

from tools.cli.next_command import typed_again
from tools.studies.choices import pixels_of_choices, scenes_of_choices
from tools.studies.jobs import SELECTION, StudyJobs
from tools.studies.planning import remarks, times_of
from tools.studies.tables import read_results, write_tables
from utils.runs.files import write_text
from utils.studies.report.chart import save_study_chart
from utils.studies.report.page import Facts, study_page
from utils.studies.summary import comparison_table, summarised

SHEETS = 6  # contact sheets on the page


def write_report(jobs: StudyJobs, study_file: Path) -> list[Path]:
    """Write the tables, `comparisons.csv`, the chart and `report.html`; returns their paths.

    Args:
        jobs: of the study.
        study_file: its TOML file.
    """
    results = read_results(jobs)
    summary = summarised(jobs.cells, results.grid, results.scores, results.labels)
    written = write_tables(jobs, results)
    table, chart, page = (jobs.folder / name for name in ("comparisons.csv", "scores.png", "report.html"))
    write_text(table, comparison_table(summary))
    png = chart.read_bytes() if save_study_chart(chart, summary) else None
    facts = Facts(
        title=jobs.study.title or f"Study {jobs.study.name}",
        grid=results.grid,
        scores=results.scores,
        times=list(times_of(jobs)),
        notes=[*_on_networks(jobs), *(remark.removeprefix("note: ") for remark in remarks(jobs))],
        coverage=scenes_of_choices(jobs, results),
        shares=pixels_of_choices(jobs, results),
        sheets=list(_sheets(jobs)),
        commands=[typed_again("study.py", [verb, str(study_file)]) for verb in ("plan", "run", "report")],
        study_file=study_file.read_text(encoding="utf-8"),
    )
    write_text(page, study_page(summary, facts, png))
    return [*written, table, *([chart] if png else []), page]


def _on_networks(jobs: StudyJobs) -> Iterator[str]:
    """What has to be known of networks that start from nothing."""
    for network in jobs.study.networks:
        if network.is_from_random_weights:
            yield (
                f"The classifier of {network.name} starts from random weights: before it has seen labels it knows "
                "nothing, and strategies that ask it choose accordingly. The published method starts from ImageNet "
                "weights."
            )


def _sheets(jobs: StudyJobs) -> Iterator[tuple[str, bytes]]:
    """Contact sheets of the first choice of each strategy."""
    seen: set[str] = set()
    for job in jobs.jobs:
        cell = job.cells[0]
        path = job.steps[0].folder / "chosen.png"
        if job.kind == SELECTION and cell.strategy not in seen and path.is_file() and len(seen) < SHEETS:
            seen.add(cell.strategy)
            text = f"Tiles that {cell.strategy} chose in {cell.data}, tested on {cell.area}, seed {cell.seed}"
            yield text, path.read_bytes()
