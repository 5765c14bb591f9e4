"""Charts of what a map may be taken for: is it as right as it is sure, and how much area is there of each class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.console import valid_text
from utils.drawing.charts import BAR, INK, MARK, PALE, WIDTH, new_figure, set_title, write_beside
from utils.drawing.pictures import save_figure

Curve = tuple[Sequence[float], Sequence[float | None], Sequence[float | None]]
_FEWEST = 0.001  # share of the pixels below which a bin's accuracy is left to chance, and not drawn


def save_reliability(path: Path, title: str, curves: Sequence[tuple[str, Curve]]) -> None:
    """Draw accuracy against confidence, above the shares of pixels that are so sure.

    Args:
        path: the PNG to write.
        title: above the chart.
        curves: a name for the legend each, and by bin of confidence the share of the pixels, their mean confidence and
            their accuracy, as fractions; None in an empty bin.
    """
    figure = new_figure(WIDTH, 5.4)
    axis, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    set_title(axis, title)
    axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--", label="as right as it is sure")
    for (name, (shares, sure, right)), colour in zip(curves, (MARK, BAR), strict=False):
        rows = [
            (c, a)
            for share, c, a in zip(shares, sure, right, strict=True)
            if c is not None and a is not None and share >= _FEWEST
        ]
        axis.plot(*zip(*rows, strict=True), color=colour, linewidth=1.8, marker="o", markersize=4, label=name)
        edges = np.linspace(0, 1, len(shares) + 1)
        below.stairs(shares, edges, color=colour, linewidth=1.6)
    axis.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    below.set(xlabel="confidence", ylabel="of the pixels")
    for each in (axis, below):
        each.grid(alpha=0.3)
        each.spines[["top", "right"]].set_visible(False)
    for each in (axis.xaxis, axis.yaxis, below.yaxis):
        each.set_major_formatter(lambda share, _: f"{share:.0%}")
    below.legend(
        *axis.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0, -0.5), borderaxespad=0, ncols=1,
        frameon=False, fontsize=9,
    )  # fmt: skip
    save_figure(path, figure)


def save_areas(
    path: Path,
    title: str,
    names: Sequence[str],
    mapped: Sequence[float],
    adjusted: Sequence[float],
    ends: Sequence[tuple[float | None, float | None]],
) -> None:
    """Draw the share of the area that is mapped as each class, and below it the error-adjusted one with its interval.

    Args:
        path: the PNG to write.
        title: above the chart.
        names: of the classes; those that are nowhere are left out, the largest stands first.
        mapped, adjusted: shares, as fractions.
        ends: of the interval of each adjusted share; None: none is drawn.
    """
    columns = zip(adjusted, mapped, names, ends, strict=True)
    rows = sorted((a, m, name, interval) for a, m, name, interval in columns if a > 0 or m > 0)
    figure = new_figure(WIDTH, max(2.6, 1.6 + 0.44 * len(rows)))
    axis = figure.subplots()
    set_title(axis, title)
    for place, (share, own, _, (low, high)) in enumerate(rows):
        first = place == len(rows) - 1
        axis.barh(place + 0.2, own, color=PALE, height=0.36, label="on the map" if first else None)
        axis.barh(place - 0.2, share, color=BAR, height=0.36, label="adjusted for its errors" if first else None)
        if low is not None and high is not None:
            axis.plot([low, high], [place - 0.2] * 2, color=MARK, linewidth=2.2, solid_capstyle="butt")
        write_beside(axis, f"{own:.1%}", own, place + 0.2)
        write_beside(axis, f"{share:.1%}", max(share, high or 0), place - 0.2)
    if any(low is not None for *_, (low, _) in rows):
        axis.plot([], [], color=MARK, linewidth=2.2, label="its 95 % interval")
    axis.set_yticks(range(len(rows)), [valid_text(name) for _, _, name, _ in rows], fontsize=9)
    axis.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axis.set(xlabel="share of the area", xlim=(0, 1.18 * max([max(row[0], row[1], row[3][1] or 0) for row in rows])))
    axis.spines[["top", "right"]].set_visible(False)
    height = figure.get_size_inches()[1]
    axis.legend(
        loc="upper left", bbox_to_anchor=(0, -0.62 / (height - 1)), borderaxespad=0, ncols=3, frameon=False, fontsize=9
    )
    save_figure(path, figure)
