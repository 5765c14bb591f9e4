"""Hours that a study still takes: by like commands that have ended, or else extrapolated from measured rates."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tools.studies.commands import CELL, SELECTION, Job, Step
from tools.studies.jobs import StudyJobs
from tools.studies.run_job import read_state
from tools.studies.timing.rates import Rates, pace_of, read_timings
from tools.studies.timing.work import TRAIN, Kind, Lists, in_words, kind_of, work_of
from utils.compute.machine import this_machine
from utils.studies.words import counted, duration

Like = tuple[str, ...]  # what commands of about the same duration have in common
Command = tuple[Job, Step]


@dataclass(frozen=True)
class Hours:
    """Time of the commands that are left, one after the other.

    Attributes:
        seconds: of all whose time is known.
        ended: how many ended commands say the time of others.
        by_ended: how many commands take their time from ended ones.
        extrapolated: how many take it from rates.
        rates: which those are.
        unknown: the others.
    """

    seconds: float
    ended: int
    by_ended: int
    extrapolated: int
    rates: Sequence[Rates]
    unknown: Sequence[Command]

    @property
    def total(self) -> float | None:
        """Hours of all commands that are left; None where some are not known."""
        return None if self.unknown else self.seconds / 3600


def hours_of(jobs: StudyJobs, left: Sequence[Command]) -> Hours:
    """The time of commands that are left.

    Args:
        jobs: of the study.
        left: those of its commands that are not done.

    Raises:
        DataError: `timings.json` cannot be used.
    """
    ended, lists = seconds_of_ended(jobs), Lists(jobs)
    kinds = {kind for job, step in left if like(job, step) not in ended for kind in kinds_needed(job, step)}
    rates = known_rates(jobs, kinds, lists) if kinds else {}
    used: dict[Kind, Rates] = {}
    seconds, by_ended, unknown = 0.0, 0, []
    for job, step in left:
        if times := ended.get(like(job, step)):
            seconds, by_ended = seconds + sum(times) / len(times), by_ended + 1
        elif (found := extrapolated(job, step, rates, lists)) is not None:
            seconds += found
            used |= {kind: rates[kind] for kind in kinds_needed(job, step)}
        else:
            unknown.append((job, step))
    wanted = {like(job, step) for job, step in left}
    count = sum(len(times) for kind, times in ended.items() if kind in wanted)
    return Hours(seconds, count, by_ended, len(left) - by_ended - len(unknown), list(used.values()), unknown)


def like(job: Job, step: Step) -> Like:
    """What a command's duration depends on: what it does, and on which data, network, method and number of labels."""
    cell = job.cells[0]
    varies = {SELECTION: cell.strategy, CELL: cell.method}.get(job.kind, "")
    return step.title, cell.data, cell.network, cell.amount, varies


def seconds_of_ended(jobs: StudyJobs) -> dict[Like, list[float]]:
    """What each command took that has ended well, by what like commands have in common."""
    found: dict[Like, list[float]] = defaultdict(list)
    for job, step, record in begun(jobs):
        if record.get("done"):
            found[like(job, step)].append(float(record["seconds"]))
    return dict(found)


def begun(jobs: StudyJobs) -> Iterator[tuple[Job, Step, dict[str, Any]]]:
    """Commands that were started, each with its record in its job's state.json."""
    for job in jobs.jobs:
        state = read_state(jobs.folder / job.name)
        yield from ((job, step, state[step.title]) for step in job.steps if step.title in state)


def kinds_needed(job: Job, step: Step) -> list[Kind]:
    """Kinds whose rates make up a command's time: its own, and for validation that of the cell's evaluations."""
    kinds = [kind_of(job, step)]
    if step.script == TRAIN and "--val-list" in step.words:
        kinds.append(kind_of(job, job.steps[1]))
    return kinds


def known_rates(jobs: StudyJobs, kinds: Iterable[Kind], lists: Lists) -> dict[Kind, Rates]:
    """Rates of kinds: those that commands of the study itself have left behind win over measured ones.

    Args:
        jobs: of the study.
        kinds: which are wanted.
        lists: of the study.
    """
    wanted = set(kinds)
    here = this_machine()
    timed = sorted(read_timings(jobs.folder), key=lambda each: each.machine == here)  # of several, this machine's win
    known = {each.kind: each for each in timed if each.kind in wanted}
    for job, step, record in begun(jobs):
        if (kind := kind_of(job, step)) in wanted:
            pace = pace_of(job, step, lists, work_of(job, step, lists) if record.get("done") else None)
            if pace.seconds:
                machine, when = str(record.get("machine", "another attempt")), str(record.get("ended", ""))
                before = known.get(kind) or Rates(kind, in_words(job, step), 0.0, {}, {}, machine, when)
                known[kind] = replace(
                    before,
                    seconds={**before.seconds, **pace.seconds},
                    measured=pace.measured,
                    machine=machine,
                    when=when,
                )
    return known


def extrapolated(job: Job, step: Step, rates: dict[Kind, Rates], lists: Lists) -> float | None:
    """Seconds of a command by rates; None where one of them, or a list, is missing.

    A tile that is validated on costs what one that is scored does, which is too much where scoring uses several views
    or a CRF.
    """
    work, kinds = work_of(job, step, lists), kinds_needed(job, step)
    if work is None or not all(kind in rates for kind in kinds):
        return None
    per = {unit: seconds for kind in reversed(kinds) for unit, seconds in rates[kind].seconds.items()}
    if any(count and unit not in per for unit, count in work.items()):
        return None
    return rates[kinds[0]].start + sum(count * per[unit] for unit, count in work.items() if count)


def say_rates(rates: Rates) -> str:
    """Rates in words: `0.12 s a training step (15 measured), 5 s besides`."""
    parts = [
        f"{seconds:.3g} s a {unit} ({rates.measured.get(unit, 0):.0f} measured)"
        for unit, seconds in rates.seconds.items()
    ]
    return ", ".join([*parts, f"{duration(rates.start)} besides"])


def hours_in_words(time: Hours, side_by_side: int) -> Iterator[str]:
    """The time of what is left, and where it is known from, line by line."""
    hours, known = time.seconds / 3600, time.by_ended + time.extrapolated
    if known:
        some = "" if not time.unknown else f" for {known} of {known + len(time.unknown)} commands"
        together = f", about {hours / side_by_side:.1f} with {side_by_side} at a time" if side_by_side > 1 else ""
        yield f"hours: {hours:.1f}{some} one after the other{together}"
    if time.by_ended:
        ended = counted(time.ended, "ended command")
        yield f"       {counted(time.by_ended, 'command')}: measured on {ended} of the same kinds"
    if time.extrapolated:
        machines = " and ".join(dict.fromkeys(rates.machine for rates in time.rates))
        some = counted(time.extrapolated, "command")
        yield f"       {some}: extrapolated from rates on {machines}; hours on other machines are unmeasured"
        yield from (f"         {rates.called}: {say_rates(rates)}" for rates in time.rates)
    if time.unknown:
        kinds = list(dict.fromkeys(in_words(job, step) for job, step in time.unknown))
        more = f" and {len(kinds) - 4} more kinds" if len(kinds) > 4 else ""
        yield f"hours: not known of {'; '.join(kinds[:4])}{more}"
        yield "       (plan --time runs a short version of each kind on this machine, and the plan knows then)"
