"""What labels and machines cost, on a study's page."""

from html import escape

from utils.drawing.html import paragraph, table
from utils.studies.costs import PRETRAIN, RANDOM, PeopleMinutes, cost_of
from utils.studies.report.facts import Facts
from utils.studies.report.names import Names
from utils.studies.summary import StudySummary
from utils.studies.words import counted, duration

NOT_KNOWN = "not known"
_STEPS = {"select": "choosing", "train": "training", "best": "scoring", "last": "scoring"}


def cost_tables(summary: StudySummary, facts: Facts, names: Names) -> list[str]:
    """Masks, scene labels and minutes of a run of each arm, and the hours of the whole, HTML; nothing before a run."""
    if not facts.times:
        return []
    rows, is_pretrained = [], any(time.step == PRETRAIN for time in facts.times)
    for arm in summary.arms:
        cost = cost_of(arm, facts.times, facts.minutes)
        asked = "none" if cost.masks is not None and cost.scene_labels is None else _count(cost.scene_labels)
        people = NOT_KNOWN if cost.people is None else f"{cost.people:.0f}"
        machine = (*([cost.pretraining] if is_pretrained else []), cost.choosing, cost.training)
        rows.append([escape(names.arm(arm.arm)), _count(cost.masks), asked, people, *map(_minutes, machine)])
    head = ["one run of", "masks", "scene labels asked for", "people's minutes"]
    machine_head = [*(["to pre-train"] if is_pretrained else []), "to choose", "to train and score"]
    head += [f"machine's minutes {machine_head[0]}", *machine_head[1:]]
    said = [
        *_besides(summary, facts),
        *(_people(data, facts.minutes.get(data, PeopleMinutes())) for data in facts.grid.areas),
        _hours(facts),
    ]
    return [table(head, rows), *(paragraph(text, soft=True) for text in said)]


def _besides(summary: StudySummary, facts: Facts) -> list[str]:
    """What costs besides, or less, than the table says."""
    said = []
    if facts.validation:
        low, high = min(facts.validation), max(facts.validation)
        count = counted(high, "validation tile") if low == high else f"{low} to {high} validation tiles"
        said.append(
            f"Besides, {count} of each area's training scenes have masks, which choose the checkpoint: they cost "
            "what labelled tiles do, and are in no column."
        )
    if any(arm.arm.strategy == RANDOM and arm.scene_labels for arm in summary.arms):
        said.append(
            "A draw by lot needs no scene labels: they were asked for, as for the other strategies, and are in no "
            "minutes of people."
        )
    return said


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _minutes(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _people(data: str, minutes: PeopleMinutes) -> str:
    """Where a data set's minutes come from."""
    if minutes.mask is None:
        return (
            f"People's minutes are not known for {data}: no ledger.csv with minutes of masks lies beside it. "
            "tools/label.py writes one where masks are drawn for it."
        )
    text = (
        f"People's minutes for {data}: the masks times {minutes.mask:.1f}, the mean of "
        f"{counted(minutes.masks, 'mask')} of which its ledger.csv has minutes; nobody was timed for this study"
    )
    if minutes.scene_label is None:
        return f"{text}. Minutes for scene labels are not known, and not counted."
    labels = counted(minutes.scene_labels, "scene label")
    return f"{text}. Likewise the scene labels times {minutes.scene_label:.2f}, the mean of {labels}."


def _hours(facts: Facts) -> str:
    """What the machine took for the whole study so far."""
    spent: dict[str, float] = {}
    for time in facts.times:
        kind = _STEPS.get(time.step, time.step)
        spent[kind] = spent.get(kind, 0.0) + time.seconds
    machines = sorted({time.machine for time in facts.times if time.machine})
    parts = ", ".join(f"{duration(seconds)} for {kind}" for kind, seconds in spent.items())
    on = f" on {' and '.join(machines)}" if machines else ""
    return (
        f"The whole study has taken {duration(sum(spent.values()))} of machine time so far{on}: {parts}. A choice that "
        "several trainings learn from is made once."
    )
