"""What an arm of a study costs: masks, scene labels, people's minutes where a ledger tells them, the machine's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from utils.studies.score_tables import StepTime
from utils.studies.summary import ArmSummary

SELECT, PRETRAIN = "select", "pretrain"  # steps of jobs that several trainings share
RANDOM = "random"  # the strategy that asks nobody


@dataclass(frozen=True)
class PeopleMinutes:
    """What labels of a data set took people, by its ledger.

    Attributes:
        mask: minutes of a mask on average; None: the ledger does not tell, or there is none.
        masks: of how many they are known.
        scene_label: minutes of a scene label on average; None: not known.
        scene_labels: of how many they are known.
    """

    mask: float | None = None
    masks: int = 0
    scene_label: float | None = None
    scene_labels: int = 0


@dataclass(frozen=True)
class ArmCost:
    """What one run of an arm costs, the mean over those that are done.

    Attributes:
        masks: labelled tiles; None: not known yet.
        scene_labels: that the active learner asked for; None: it was not asked.
        people: minutes of people for both, as far as the ledger tells; None: it does not.
        choosing, training: minutes of the machine; training with scoring. None: none is done.
        pretraining: likewise, of weights that several runs start from.
    """

    masks: float | None
    scene_labels: float | None
    people: float | None
    choosing: float | None
    training: float | None
    pretraining: float | None = None


def cost_of(arm: ArmSummary, times: Sequence[StepTime], minutes: Mapping[str, PeopleMinutes]) -> ArmCost:
    """The cost of an arm.

    Args:
        arm: which.
        times: of all commands that have ended.
        minutes: what labels take, by data set.
    """
    choosing, pretraining = (
        [time.seconds for time in times if time.step == step and arm.arm in time.arms] for step in (SELECT, PRETRAIN)
    )
    training: dict[str, float] = {}
    for time in times:
        if time.step not in (SELECT, PRETRAIN) and arm.arm in time.arms:
            training[time.job] = training.get(time.job, 0.0) + time.seconds
    people = _people(arm, minutes.get(arm.arm.data, PeopleMinutes()))
    machine = (_minutes(each) for each in (choosing, list(training.values()), pretraining))
    return ArmCost(arm.masks, arm.scene_labels, people, *machine)


def _people(arm: ArmSummary, minutes: PeopleMinutes) -> float | None:
    """Masks times the minutes of one, and scene labels likewise where these are known, and the choice needs them."""
    if arm.masks is None or minutes.mask is None:
        return None
    asked = 0.0 if arm.arm.strategy == RANDOM else arm.scene_labels or 0.0
    return arm.masks * minutes.mask + asked * (minutes.scene_label or 0.0)


def _minutes(seconds: Sequence[float]) -> float | None:
    return sum(seconds) / len(seconds) / 60 if seconds else None
