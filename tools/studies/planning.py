"""What a study will take: how much of it is done, hours of what is left, bytes of its checkpoints."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.cli.options import train as train_options
from tools.studies.commands import CELL, Job
from tools.studies.jobs import StudyJobs
from tools.studies.run_job import read_state
from tools.studies.timing.hours import Command, Hours, begun, hours_in_words, hours_of
from utils.console import say
from utils.errors import DataError
from utils.runs.space import RunSpace, as_size, free_space
from utils.studies.pairs import arms_of, pairings_of
from utils.studies.score_tables import StepTime
from utils.studies.words import counted


@dataclass(frozen=True)
class Outlook:
    """What is left of a study.

    Attributes:
        done, left: jobs.
        commands: of these that are left.
        time: that they take.
        disk: bytes that are still to be written at most.
    """

    done: Sequence[Job]
    left: Sequence[Job]
    commands: Sequence[Command]
    time: Hours
    disk: int


def outlook(jobs: StudyJobs, keep: str | None) -> Outlook:
    """Look at what the jobs have left behind.

    Args:
        jobs: of the study.
        keep: which checkpoints stay once a cell is scored; None: all.

    Raises:
        DataError: a job was done with other options than the study has now.
    """
    refuse_other_words(jobs)
    left = [job for job in jobs.jobs if not is_done(job, jobs.folder)]
    commands = list(_commands(left, jobs.folder))
    names = {job.name for job in left}
    disk = sum(_bytes(job, keep) for job in left if job.kind == CELL)
    done = [job for job in jobs.jobs if job.name not in names]
    return Outlook(done, left, commands, hours_of(jobs, commands), disk)


def is_done(job: Job, folder: Path) -> bool:
    """Whether all commands of a job have ended well."""
    state = read_state(folder / job.name)
    return all(state.get(step.title, {}).get("done") for step in job.steps)


def refuse_other_words(jobs: StudyJobs) -> None:
    """Refuse to go on with a study whose settings were changed since.

    Raises:
        DataError: a job was begun with other options.
    """
    for job in jobs.jobs:
        state = read_state(jobs.folder / job.name)
        for step in job.steps:
            before = state.get(step.title, {}).get("words")
            if before is not None and before != list(step.words):
                differing = " ".join(word for word in step.words if word not in before) or "fewer options"
                raise DataError(
                    f"{jobs.folder / job.name} was begun with other options than the study has now ({differing}); give "
                    "the study a new name, or remove that folder"
                )


def times_of(jobs: StudyJobs) -> Iterator[StepTime]:
    """What each command took that has ended well."""
    for job, step, record in begun(jobs):
        if record.get("done"):
            figures = {name: record[name] for name in ("seconds", "attempts", "ended", "machine")}
            yield StepTime(job.name, job.kind, step.title, **figures, arms=arms_of(job.cells))


def say_outlook(jobs: StudyJobs, ahead: Outlook, side_by_side: int) -> None:
    """Say what there is to do."""
    study, areas = jobs.study, sum(map(len, jobs.areas.values()))
    parts = f" in {len(study.grids)} grids, out of" if len(study.grids) > 1 else ":"
    grid = (
        f"{counted(areas, 'area')} × {counted(len(study.networks), 'network')} × "
        f"{counted(len(study.amounts), 'label count')} × {{{', '.join(study.strategies)}}} × "
        f"{{{', '.join(study.methods)}}} × {counted(len(study.seeds), 'seed')}"
    )
    say(f"{study.name}: {counted(len(jobs.cells), 'cell')}{parts} {grid}")
    commands = sum(len(job.steps) for job in jobs.jobs)
    all_jobs = f"{counted(len(jobs.jobs), 'job')} of {counted(commands, 'command')}"
    say(f"{all_jobs}, {len(ahead.done)} done, {len(ahead.left)} left")
    if not ahead.left:
        say("nothing is left to do")
    for line in hours_in_words(ahead.time, side_by_side) if ahead.left else ():
        say(line)
    say(f"disk:  {as_size(ahead.disk)} at most, {as_size(free_space(jobs.folder))} are free")
    for remark in remarks(jobs):
        say(remark)


def remarks(jobs: StudyJobs) -> Iterator[str]:
    """What the design of a study can and cannot show, before anything has been run."""
    study = jobs.study
    comparisons = len(list(pairings_of(arms_of(jobs.cells))))
    for data in study.data:
        areas, pairs = len(jobs.areas[data.name]), len(jobs.areas[data.name]) * len(study.seeds)
        for units, what, question in ((areas, "area", "a new area"), (pairs, "pair", "these areas")):
            needed = _units_for(comparisons)
            if units < needed:
                yield (
                    f"note: {data.name} has {counted(units, what)}; a claim on {question} after "
                    f"{counted(comparisons, 'comparison')} needs {needed} or more."
                )
        if len(study.seeds) < 2:
            yield "note: one seed cannot tell noise from effects; two are needed, and three are usual."


def _units_for(comparisons: int, level: float = 0.05) -> int:
    """Areas or pairs with which the smallest p of a permutation test can survive Holm's correction."""
    units = 1
    while comparisons * 2.0 ** (1 - units) > level:
        units += 1
    return units


def _commands(jobs: Iterable[Job], folder: Path) -> Iterator[Command]:
    """Commands that are left."""
    for job in jobs:
        state = read_state(folder / job.name)
        yield from ((job, step) for step in job.steps if not state.get(step.title, {}).get("done"))


def _bytes(job: Job, keep: str | None) -> int:
    """Bytes of a cell's checkpoints, while it is run or, where all of them stay, after."""
    settings = train_options.parse_args(None, list(job.steps[0].words))
    generator, discriminator = network_sizes(settings.network.backbone, settings.method.has_discriminator)
    steps, every = settings.method.num_steps, settings.keeping.save_pred_every
    space = RunSpace(generator, discriminator, steps, every, validates=settings.val_list is not None)
    if keep is None:
        return space.needed()
    return generator if keep in ("best", "last") else 0


@cache
def network_sizes(backbone: str, has_discriminator: bool, classes: int = 21) -> tuple[int, int]:
    """Bytes of a generator's file, nearly, and of a discriminator's."""
    import torch

    from model.networks.deeplabv2 import DeepLabV2
    from model.networks.discriminator import Discriminator
    from utils.runs.space import network_bytes

    with torch.device("meta"):
        return network_bytes(DeepLabV2(classes, backbone)), (
            network_bytes(Discriminator(classes)) if has_discriminator else 0
        )
