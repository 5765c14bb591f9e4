"""Charts of an evaluation: score against step, confusion of classes, IoU of each class."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from utils.console import valid_text
from utils.drawing.pictures import save_figure

INK, BAR, MARK, PALE = "#1f2933", "#2a6f97", "#d1495b", "#9fb3c8"
LINE_COLOURS = (BAR, MARK, "#6a994e")
WIDTH = 5.6  # inches: 616 pixels, whose letters can still be read where a page is 400 pixels wide
_TITLE = 64  # characters of a line of a title
_WITH_NUMBERS = 25  # classes up to which a confusion matrix has its numbers written into it


def new_figure(width: float, height: float) -> Any:
    """An empty figure of so many inches."""
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
        steps: of the checkpoints, in order; two or more make a curve.
        scores: mean IoU of each, a fraction; None: not drawn.
        band: ends of each interval; None: no band there.
        best: the chosen step.
        test_score: what the chosen checkpoint scores on the test list.
    """
    figure = new_figure(WIDTH, 3.8)
    axis = figure.subplots()
    values = np.array([np.nan if score is None else score for score in scores])
    low, high = (np.array([np.nan if ends[i] is None else ends[i] for ends in band], float) for i in (0, 1))
    if np.isfinite(low).any():
        axis.fill_between(steps, low, high, color=BAR, alpha=0.18, linewidth=0, label="95 % interval")
    axis.plot(steps, values, color=BAR, linewidth=1.4, marker="." if len(steps) < 60 else None, label="mean IoU")
    at = steps.index(best)
    if np.isfinite(values[at]):
        axis.plot([best], [values[at]], "o", color=MARK, markersize=8, label=f"step {best}: {values[at]:.3f}")
    if test_score is not None:
        axis.plot([best], [test_score], "D", color=INK, markersize=6, label=f"on the test list: {test_score:.3f}")
    axis.set(xlabel="step", ylabel="mean IoU")
    set_title(axis, title)
    if len(steps) < 10:
        axis.set_xticks(list(steps))
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left", bbox_to_anchor=(0, -0.16), borderaxespad=0, ncols=2, frameon=False, fontsize=9)
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
    figure = new_figure(side + 0.8, max(2.8, 2.2 + 0.36 * len(true)))
    axis = figure.subplots()
    shown = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(range(len(columns)), [valid_text(names[i]) for i in columns], rotation=90, fontsize=8)
    axis.set_yticks(range(len(true)), [valid_text(names[i]) for i in true], fontsize=8)
    axis.set(xlabel="predicted", ylabel="true")
    set_title(axis, title)
    if len(columns) <= _WITH_NUMBERS:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.005:
                axis.text(
                    column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7,
                    color="white" if share > 0.55 else INK,
                )  # fmt: skip
    bar = figure.colorbar(shown, ax=axis, fraction=0.04, pad=0.02, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0 %", "50 %", "100 %"], fontsize=8)
    save_figure(path, figure)


def save_class_bars(
    path: Path,
    title: str,
    names: Sequence[str],
    ious: Sequence[float | None],
    shares: Sequence[float],
    ends: Sequence[tuple[float | None, float | None]],
) -> None:
    """Draw the IoU of each class with its interval, beside its share of the pixels, the best class first.

    Args:
        path: the PNG to write.
        title: above the chart.
        names: of the classes.
        ious: as fractions; a class of which there is none in the truth (None) is left out.
        shares: of the labelled pixels, as fractions.
        ends: of the interval of each IoU; None: no interval is drawn.
    """
    columns = zip(ious, shares, names, ends, strict=True)
    rows = sorted((iou, share, name, interval) for iou, share, name, interval in columns if iou is not None)
    figure = new_figure(WIDTH, max(2.0, 1.3 + 0.26 * len(rows)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
    figure.suptitle("\n".join(wrap(title, _TITLE)), fontsize=11)
    for place, (iou, share, _, (low, high)) in enumerate(rows):
        left.barh(place, iou, color=BAR, height=0.7)
        if low is not None and high is not None:
            left.plot([low, high], [place, place], color=MARK, linewidth=2.2, solid_capstyle="butt")
        write_beside(left, f"{iou:.3f}", max(iou, high or 0), place)
        right.barh(place, share, color=PALE, height=0.7)
        write_beside(right, f"{share:.1%}", share, place)
    has_intervals = any(low is not None for *_, (low, _) in rows)
    left.set_xlabel("IoU, with its 95 % interval in red" if has_intervals else "IoU")
    right.set_xlabel("share of the pixels")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    left.set_xlim(0, 1.15)
    left.set_xticks([0, 0.25, 0.5, 0.75, 1])
    right.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    right.set_xlim(0, 1.35 * max([share for _, share, *_ in rows], default=1))
    left.set_yticks(range(len(rows)), [valid_text(name) for _, _, name, _ in rows], fontsize=9)
    save_figure(path, figure)


def write_beside(axis: Any, text: str, x: float, y: float) -> None:
    """Write a number to the right of the end of a bar."""
    axis.annotate(text, (x, y), (3, 0), textcoords="offset points", va="center", fontsize=8)


def set_title(axis: Any, title: str) -> None:
    """Above a chart, in as many lines as it takes."""
    axis.set_title("\n".join(wrap(title, _TITLE)), fontsize=11)
