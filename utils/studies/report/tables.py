"""The tables on a study's page: scores of arms, paired differences, classes, costs."""

from collections.abc import Sequence
from html import escape

from utils.drawing.html import paragraph, table
from utils.studies.pairs import STRATEGY, Grid, Pairing
from utils.studies.results import CellScore
from utils.studies.score_tables import StepTime
from utils.studies.statistics.comparison import Answer, Compared
from utils.studies.summary import ArmSummary, StudySummary, class_differences


def arm_table(summary: StudySummary) -> str:
    """Scores of the arms, HTML."""
    rows = [
        [
            f"{escape(arm.arm.strategy)}, {escape(arm.arm.method)}"
            f"<small>{escape(arm.arm.data)}, {escape(arm.arm.network)}</small>",
            escape(arm.arm.amount) if arm.masks is None else f"{arm.masks:.0f}",
            _score(arm.mean, arm.on_these_areas.low, arm.on_these_areas.high),
            _score(arm.mean, arm.on_a_new_area.low, arm.on_a_new_area.high),
            f"{arm.done} of {arm.cells}",
        ]
        for arm in summary.arms
    ]
    head = ["arm", "labelled tiles", "mean IoU, on these areas", "on a new area", "runs"]
    return table(head, rows) + paragraph(
        "A mean is given where all runs of an arm were scored. Intervals are 95 % bootstrap intervals: of seeds within "
        "areas, and of whole areas (five at least); in simulations they cover the truth in 91 to 96 %. Scores of areas "
        "differ more than arms do, so compare arms by the paired differences below, not by these intervals.",
        soft=True,
    )


def _score(mean: float | None, low: float | None, high: float | None) -> str:
    if mean is None:
        return "missing"
    return f"{mean:.3f}" + ("" if low is None or high is None else f"<small>{low:.3f}–{high:.3f}</small>")


def difference_tables(summary: StudySummary) -> list[str]:
    """Paired differences with intervals and p, HTML."""
    rows = []
    for pairing, result in zip(summary.pairings, summary.compared, strict=True):
        answers = (result.on_these_areas, result.on_a_new_area)
        mean = None if answers[0] is None else answers[0].mean
        rows.append(
            [
                f"{escape(pairing.title)}<small>{escape(where_in_words(pairing))}</small>",
                "missing" if mean is None else f"{100 * mean:+.1f}",
                f"{result.wins}/{result.ties}/{result.losses}"
                + (f", {result.missing} missing" if result.missing else ""),
                *(text for answer in answers for text in (_interval(answer), _p(answer))),
            ]
        )
    head = ["comparison", "difference", "wins/ties/losses", "on these areas", "p", "on a new area", "p"]
    return [
        table(head, rows),
        paragraph(
            "Differences are in points of mean IoU, of pairs that share area, seed, pool, initial tiles and number of "
            "labels. p is that of a permutation test (signs of pairs, or of whole areas, are flipped) after Holm's "
            "correction over all comparisons of the page; below it the smallest that the design allows before the "
            "correction. Claims rest on p ≤ 0.05 alone, not on the intervals.",
            soft=True,
        ),
    ]


def _counts(result: Compared) -> str:
    missing = f", {result.missing} missing" if result.missing else ""
    return f"{result.wins}/{result.ties}/{result.losses}{missing}"


def _interval(answer: Answer | None) -> str:
    if answer is None or answer.bounds.low is None or answer.bounds.high is None:
        return "–"
    return f"{100 * answer.bounds.low:+.1f} to {100 * answer.bounds.high:+.1f}"


def _p(answer: Answer | None) -> str:
    if answer is None or answer.corrected is None or answer.test.floor is None:
        return "–"
    return f"{answer.corrected:.3g}<small>≥ {answer.test.floor:.2g}</small>"


def class_tables(summary: StudySummary, grid: Grid, scores: Sequence[CellScore]) -> list[str]:
    """Differences of each pixel class, HTML; nothing without comparisons."""
    found = class_differences(summary, grid, scores)
    if not found or not summary.pairings:
        return []
    shares: dict[str, list[float]] = {}
    for score in scores:
        for each in score.classes:
            shares.setdefault(each.name, []).append(each.share)
    head = ["class", "share of the test pixels", *(f"{p.title} ({_other(p)})" for p in summary.pairings)]
    rows = [
        [escape(name), f"{sum(shares[name]) / len(shares[name]):.1%}", *map(_points, differences)]
        for name, differences in found
    ]
    text = "Mean paired differences of a class's IoU, in points; they are not tested, as there are too many of them."
    return [table(head, rows), paragraph(text, soft=True)]


def _other(pairing: Pairing) -> str:
    return pairing.first.method if pairing.differs_in == STRATEGY else pairing.first.strategy


def _points(difference: float | None) -> str:
    return "–" if difference is None else f"{100 * difference:+.1f}"


def cost_table(summary: StudySummary, times: Sequence[StepTime]) -> str:
    """Masks, scene labels and minutes of a run of each arm, HTML."""
    seconds: dict[tuple[str, str], list[float]] = {}
    for time in times:
        for arm in summary.arms:
            if _is_of(time, arm):
                seconds.setdefault((_title(arm), "select" if time.step == "select" else "train"), []).append(
                    time.seconds
                )
    rows = []
    for arm in summary.arms:
        select, train = (seconds.get((_title(arm), kind), []) for kind in ("select", "train"))
        rows.append(
            [
                escape(_title(arm)),
                "–" if arm.masks is None else f"{arm.masks:.0f}",
                "none" if arm.scene_labels is None else f"{arm.scene_labels:.0f}",
                "–" if not select else f"{sum(select) / len(select) / 60:.1f}",
                "–" if not train else f"{sum(train) / arm.cells / 60:.1f}",
            ]
        )
    head = ["arm", "masks", "scene labels", "minutes to choose", "minutes to train and score"]
    return table(head, rows) + paragraph("Of one run, on average; people's minutes are not measured.", soft=True)


def _title(arm: ArmSummary) -> str:
    return f"{arm.arm.strategy}, {arm.arm.method}, {arm.arm.amount}, {arm.arm.network}, {arm.arm.data}"


def _is_of(time: StepTime, arm: ArmSummary) -> bool:
    """Whether a command worked for an arm; names of jobs are made of those of cells."""
    parts = time.job.removeprefix("selections/").split("_")
    cell, strategy = arm.arm, arm.arm.strategy.replace("_", "-")
    is_like = (parts[0], parts[2], parts[3], parts[4]) == (cell.data, cell.network, cell.amount, strategy)
    return is_like and (time.step == "select" or parts[5] == cell.method)


def where_in_words(pairing: Pairing) -> str:
    """What both arms of a comparison have in common."""
    arm = pairing.first
    other = arm.method if pairing.differs_in == STRATEGY else arm.strategy
    return f"{other}, {arm.data}, {arm.network}, labels {arm.amount}"
