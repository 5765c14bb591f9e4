"""The options of tools/study.py and its sub-commands."""

import argparse
from pathlib import Path
from typing import Any

from tools.cli.as_settings import parsed
from tools.cli.parser import CommandParser, SubcommandParser, count, number, one_of
from tools.studies.settings import (
    DESIGNS,
    KEEP,
    PlanSettings,
    ReportSettings,
    RunSettings,
    SimulationSettings,
    TimingSettings,
)

OfStudy = PlanSettings | RunSettings | ReportSettings
Settings = OfStudy | SimulationSettings
SETTINGS: dict[str, type[Settings]] = {
    "plan": TimingSettings,
    "run": RunSettings,
    "report": ReportSettings,
    "simulate": SimulationSettings,
}


def parse_args(description: str | None, argv: list[str] | None = None) -> Settings:
    """The settings that the options of a sub-command describe."""
    parser = CommandParser(description=description)
    verbs = parser.add_subparsers(metavar="VERB", dest="verb", required=True, parser_class=SubcommandParser)
    plan = _add(verbs, "plan", "say what a study is, what is done of it, and what the rest takes")
    _add_keep(plan)
    _add_side_by_side(plan)
    _add_timing(plan)
    run = _add(verbs, "run", "run what is left of a study")
    _add_keep(run)
    _add_side_by_side(run)
    _add_running(run)
    _add(verbs, "report", "write the page and the tables of what is done of a study")
    _add_simulation(verbs)
    options = parser.parse_args(argv)
    return parsed(parser, SETTINGS[options.verb], options)


def _add(verbs: Any, name: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
    parser.add_argument("study", type=Path, metavar="STUDY.toml", help="the study; assets/studies/ holds some")
    parser.add_argument(
        "--studies-dir", type=Path, default=Path("runs/studies"), metavar="DIR", help="folder of the studies' folders"
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback with an error")
    return parser


def _add_keep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-checkpoints",
        type=one_of("kind of checkpoints", KEEP),
        metavar="best|last|none",
        help="which checkpoints stay once a cell is scored; default all",
    )


def _add_side_by_side(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=count(1, 1024), metavar="N", help="at a time; default one for each GPU, or for every two cores"
    )
    parser.add_argument(
        "--threads", type=count(1, 1024), metavar="N", help="of each job; default an equal share of the cores"
    )


def _add_timing(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--time", action="store_true", help="run a short version of each kind of command here, for the hours")
    add(
        "--time-limit",
        type=number(0, above=True),
        default=5.0,
        metavar="MIN",
        help="minutes of each of these (default: 5)",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--only", nargs="+", default=(), metavar="PATTERN", help="jobs whose names match, such as '*_margin_*'")
    add("--dry-run", action="store_true", help="print the commands that would be run, and run none")
    add("--max-hours", type=number(0, above=True), metavar="H", help="save and end after this time")
    add("--config", type=Path, metavar="FILE", help="Python file that makes Parsl's `config`; default this machine")


def _add_simulation(verbs: Any) -> None:
    about = "Simulate studies without any true difference: how often tests claim one, and intervals cover the truth."
    parser = verbs.add_parser("simulate", help="how often the tests claim falsely, in drawn studies", description=about)
    add = parser.add_argument
    add("--studies", type=count(1, 1_000_000), default=2_000, metavar="N", help="of each design and situation")
    add("--designs", type=_design, nargs="+", default=DESIGNS, metavar="AxS", help="areas × seeds, such as 5x3")
    add("--random-seed", type=count(0, 2**32 - 1), default=0, metavar="S", help="of the drawing")
    add("--debug", action="store_true", help="show a traceback with an error")


def _design(text: str) -> tuple[int, int]:
    areas, _, seeds = text.partition("x")
    if not (areas.isdecimal() and seeds.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is no design; give areas × seeds, such as 5x3")
    return int(areas), int(seeds)
