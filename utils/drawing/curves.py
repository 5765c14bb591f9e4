"""Curves of a run's log, each in a panel that says in words what it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from utils.drawing.charts import INK, LINE_COLOURS, new_figure
from utils.drawing.pictures import save_figure
from utils.imagery.colours import RGB, format_colour
from utils.runs.log import read_rows

_IN_A_ROW = 4  # panels
_WIDTH, _HEIGHT = 3.0, 2.7  # of a panel, in inches
_TITLE = 34  # characters of a line of a title
_WITH_POINTS = 40  # numbers of a line up to which each is marked


@dataclass(frozen=True)
class CurvePanel:
    """One chart of a log.

    Attributes:
        title: what is shown, in words.
        columns: of the log, and how each is called in the legend below the chart; a single one needs no legend.
        is_share: the values lie in [0, 1], and so does the axis.
        colours: of columns that are parts of a whole, which are drawn as areas, one on top of the other, without a
            legend; empty: they are lines.
    """

    title: str
    columns: Mapping[str, str]
    is_share: bool = False
    colours: Sequence[RGB] = ()


def plot_curves(
    log: Path, picture: Path, panels: Sequence[CurvePanel], against: str = "step", axis_name: str = "step"
) -> None:
    """Draw columns of a log against the step or another column.

    Args:
        log: the CSV file.
        picture: the PNG to write.
        panels: columns without a number are left out, and panels without a column.
        against: the column of whole numbers on the horizontal axis.
        axis_name: what that axis is called.
    """
    rows = read_rows(log)
    drawn = [panel for panel in panels if any(row.get(column) for row in rows for column in panel.columns)]
    in_a_row = max(1, min(len(drawn), _IN_A_ROW))
    in_a_column = max(1, -(-len(drawn) // in_a_row))
    figure = new_figure(_WIDTH * in_a_row, _HEIGHT * in_a_column)
    axes = figure.subplots(in_a_column, in_a_row, squeeze=False).ravel()
    for axis, panel in zip(axes, drawn, strict=False):
        _draw(axis, panel, rows, against)
        axis.set_xlabel(axis_name, fontsize=9)
    for axis in axes[len(drawn) :]:
        axis.axis("off")
    save_figure(picture, figure)


def _draw(axis: Any, panel: CurvePanel, rows: Sequence[Mapping[str, str]], against: str) -> None:
    if panel.colours:
        _draw_areas(axis, panel, [row for row in rows if all(row.get(column) for column in panel.columns)], against)
    else:
        _draw_lines(axis, panel, rows, against)
    axis.set_title("\n".join(wrap(panel.title, _TITLE)), loc="left", fontsize=10)
    axis.tick_params(labelsize=8)
    axis.locator_params(axis="x", nbins=6, integer=True)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    if panel.is_share or axis.dataLim.height == axis.dataLim.y0 == 0:  # a line of zeros says nothing of negative values
        axis.set_ylim(-0.03, 1.03)
    if len(panel.columns) > 1 and not panel.colours:
        axis.legend(loc="upper left", bbox_to_anchor=(0, -0.24), borderaxespad=0, frameon=False, fontsize=9)


def _draw_lines(axis: Any, panel: CurvePanel, rows: Sequence[Mapping[str, str]], against: str) -> None:
    for colour, (column, words) in zip(LINE_COLOURS, panel.columns.items(), strict=False):
        points = [(int(row[against]), float(row[column])) for row in rows if row.get(column)]
        if points:
            marker = "." if len(points) < _WITH_POINTS else None
            axis.plot(*zip(*points, strict=True), label=words, color=colour, linewidth=1.2, marker=marker)


def _draw_areas(axis: Any, panel: CurvePanel, rows: Sequence[Mapping[str, str]], against: str) -> None:
    parts = [[float(row[column]) for row in rows] for column in panel.columns]
    colours = [format_colour(colour) for colour in panel.colours]
    axis.stackplot([int(row[against]) for row in rows], parts, colors=colours, edgecolor=INK, linewidth=0.4)
