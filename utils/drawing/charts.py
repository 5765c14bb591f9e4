"""Charts of an evaluation: score against step, confusion of classes, IoU of each class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.drawing.pictures import save_figure

_INK, _BAR, _MARK, _PALE = "#1f2933", "#2a6f97", "#d1495b", "#9fb3c8"
_WITH_NUMBERS = 25  # classes up to which a confusion matrix has its numbers written into it


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # slow to import; without pyplot there is no display to ask for

    return Figure(figsize=(width, height), layout="constrained")


def save_score_curve(
    path: Path,
    title: str,
    steps: Sequence[int],
    scores: Sequence[float | None],
    band: Sequence[tuple[float | None, float | None]],
    best: int,
    test_score: float | None = None,
) -> None:
    """Draw mean IoU against the step, its interval as a band, the chosen checkpoint marked.

    Args:
        path: the PNG to write.
        title: above the chart.
        steps: of the checkpoints, in order.
        scores: mean IoU of each, a fraction; None: not drawn.
        band: ends of each interval; None: no band there.
        best: the chosen step.
        test_score: what the chosen checkpoint scores on the test list.
    """
    figure = _figure(7.2, 3.8)
    axis = figure.subplots()
    values = np.array([np.nan if score is None else score for score in scores])
    low, high = (np.array([np.nan if ends[i] is None else ends[i] for ends in band], float) for i in (0, 1))
    if np.isfinite(low).any():
        axis.fill_between(steps, low, high, color=_BAR, alpha=0.18, linewidth=0, label="95 % interval")
        if len(steps) == 1:
            axis.vlines(steps, low, high, color=_BAR, alpha=0.4, linewidth=6)
    axis.plot(steps, values, color=_BAR, linewidth=1.4, marker="." if len(steps) < 60 else None, label="mean IoU")
    at = steps.index(best)
    if np.isfinite(values[at]):
        axis.plot([best], [values[at]], "o", color=_MARK, markersize=8, label=f"step {best}: {values[at]:.4f}")
    if test_score is not None:
        axis.plot([best], [test_score], "D", color=_INK, markersize=6, label=f"on the test list: {test_score:.4f}")
    axis.set(title=title, xlabel="step", ylabel="mean IoU")
    if len(steps) < 10:
        axis.set_xticks(list(steps))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, framealpha=0.9)
    axis.spines[["top", "right"]].set_visible(False)
    save_figure(path, figure)


def save_confusion(path: Path, title: str, counts: np.ndarray, names: Sequence[str]) -> None:
    """Draw which classes are taken for which: each row is a true class and adds up to 100 %.

    Args:
        path: the PNG to write.
        title: above the chart.
        counts: confusion matrix, shape (C, C), rows are the truth; classes neither true nor predicted are left out.
        names: of the classes.
    """
    true, predicted = (np.flatnonzero(counts.sum(axis=axis)).tolist() for axis in (1, 0))
    columns = np.union1d(true, predicted).tolist()
    shares = counts[np.ix_(true, columns)] / np.maximum(1, counts.sum(axis=1)[true][:, None])
    side = 2.6 + 0.36 * len(columns)
    figure = _figure(side + 0.8, max(2.8, 2.2 + 0.36 * len(true)))
    axis = figure.subplots()
    shown = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(range(len(columns)), [names[i] for i in columns], rotation=90, fontsize=8)
    axis.set_yticks(range(len(true)), [names[i] for i in true], fontsize=8)
    axis.set(title=title, xlabel="predicted", ylabel="true")
    if len(columns) <= _WITH_NUMBERS:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.005:
                axis.text(
                    column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7,
                    color="white" if share > 0.55 else _INK,
                )  # fmt: skip
    bar = figure.colorbar(shown, ax=axis, fraction=0.04, pad=0.02, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0 %", "50 %", "100 %"], fontsize=8)
    save_figure(path, figure)


def save_class_bars(
    path: Path, title: str, names: Sequence[str], ious: Sequence[float | None], shares: Sequence[float]
) -> None:
    """Draw the IoU of each class beside its share of the pixels, the best class first.

    Args:
        path: the PNG to write.
        title: above the chart.
        names: of the classes.
        ious: as fractions; a class of which there is none in the truth (None) is left out.
        shares: of the labelled pixels, as fractions.
    """
    rows = sorted((iou, share, name) for name, iou, share in zip(names, ious, shares, strict=True) if iou is not None)
    figure = _figure(7.2, max(2.0, 1.3 + 0.26 * len(rows)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
    figure.suptitle(title, fontsize=11)
    places = range(len(rows))
    for axis, values, colour, label in (
        (left, [iou for iou, _, _ in rows], _BAR, "IoU"),
        (right, [share for _, share, _ in rows], _PALE, "share of the pixels"),
    ):
        axis.barh(places, values, color=colour, height=0.7)
        for place, value in zip(places, values, strict=True):
            text = f"{value:.2f}" if axis is left else f"{value:.1%}"
            axis.annotate(text, (value, place), (3, 0), textcoords="offset points", va="center", fontsize=8)
        axis.set_xlabel(label)
        axis.spines[["top", "right"]].set_visible(False)
    left.set_xlim(0, 1.08)
    right.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    right.set_xlim(0, 1.25 * max([share for _, share, _ in rows], default=1))
    left.set_yticks(list(places), [name for _, _, name in rows], fontsize=8)
    save_figure(path, figure)
