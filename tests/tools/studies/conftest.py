"""A study of two areas whose selections both methods share, and the records that its commands leave."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import write_custom, write_list
from tools.studies.commands import Job, Step
from tools.studies.jobs import StudyJobs
from tools.studies.run_job import read_state, write_state
from tools.studies.timing.work import SELECT, TRAIN
from utils.studies.parts import AreaSettings, CellRule, StudyData, StudyNetwork
from utils.studies.settings import StudySettings


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., StudySettings]:
    """Studies of two areas whose selections both methods share."""
    made = write_custom(tmp_path / "set", 8, group=r"tile\d")
    write_list(tmp_path / "set" / "train.txt", made.names)

    def study(**changes: Any) -> StudySettings:
        areas = [
            AreaSettings(name, tmp_path / f"not_{name}.txt", tmp_path / f"{name}.txt") for name in ("east", "west")
        ]
        settings = {
            "name": "small",
            "data": (StudyData("town", "custom", made.folder, tuple(areas)),),
            "strategies": ("random", "margin"),
            "methods": ("supervised", "s4gan"),
            "networks": (StudyNetwork("tiny", "tiny", "none", "tiny", "none"),),
            "seeds": (1, 2),
            "ratios": (Decimal("0.5"),),
            "options": {"train": {"num_steps": 40}},
            "rules": (CellRule({"method": "s4gan"}, {"train": {"threshold_st": 0.6}}),),
        }
        return StudySettings(**(settings | changes))

    return study


def leave(job: Job, step: Step, folder: Path, seconds: float, done: bool = True) -> None:
    """What a command leaves that took a second a training step, tile fitted, tile of the pool or tile scored.

    Args:
        job: that it is of.
        step: the command.
        folder: of the study.
        seconds: that it took.
        done: whether it has ended well.
    """
    (folder / job.name).mkdir(parents=True, exist_ok=True)
    record = {"words": list(step.words), "seconds": seconds, "done": done, "attempts": 1, "ended": "", "machine": "box"}
    write_state(folder / job.name, read_state(folder / job.name) | {step.title: record})
    step.folder.mkdir(parents=True, exist_ok=True)
    if step.script == TRAIN:  # 10 tiles a step, and s4GAN's as many unlabelled ones; the first line warms up
        is_alone = "--supervised-only" in step.words
        write = f"step,images_per_s\n1,1\n2,{10 if is_alone else 20}\n"
        (step.folder / "metrics.csv").write_text(write)
        method = "supervised" if is_alone else "s4gan"
        (step.folder / "options.json").write_text(json.dumps({"method": method}))
    elif step.script == SELECT:
        (step.folder / "metrics.csv").write_text("step,labelled,fit_seconds,score_seconds\n1,2,90,90\n2,3,3,5\n")
    else:
        checkpoints = [{"seconds": 90.0}, {"seconds": 4.0}]
        summary = {"data_list": {"tiles": 4}, "checkpoints": checkpoints}
        (step.folder / "summary.json").write_text(json.dumps(summary))


def lists_of(jobs: StudyJobs, tmp_path: Path, training: int = 8, test: int = 4) -> None:
    """Write the lists that the study names."""
    for area in jobs.areas["town"]:
        write_list(area.train, [f"tile{n}" for n in range(training)])
        write_list(area.test, [f"tile{n}" for n in range(test)])
