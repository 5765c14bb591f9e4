"""The chart of a study: strategies have colours, methods kinds of lines and marks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.console import valid_text
from utils.drawing.charts import new_figure
from utils.drawing.pictures import save_figure
from utils.studies.summary import ArmSummary, StudySummary

_COLOURS = ("#2a6f97", "#d1495b", "#6a994e", "#b08900", "#7b4b94", "#1f2933")
_LINES, _MARKERS = ("-", "--", ":", "-."), ("o", "s", "^", "D")
_APART = 0.02  # of the span of label counts
_RUNS: Mapping[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3.5, "alpha": 0.35, "markeredgewidth": 0}
_MEANS: Mapping[str, Any] = {"markersize": 5.5, "capsize": 3, "linewidth": 1.4}
_SCORE = "mean IoU on the test tiles"

Curve = tuple[str, str]  # strategy and method


def save_study_chart(path: Path, summary: StudySummary) -> bool:
    """Draw the chart to a PNG file; returns whether there was anything to draw."""
    figure = study_figure(summary)
    if figure is not None:
        save_figure(path, figure)
    return figure is not None


def study_figure(summary: StudySummary) -> Any:
    """Mean IoU with intervals on these areas, and a pale dot for each run; a panel for each data set and network.

    With several label counts there is a curve over them for each strategy and method; with one, a row for each.

    Args:
        summary: the study's; arms with a missing run are left out.

    Returns:
        A figure; None: there is nothing to draw.
    """
    arms = [arm for arm in summary.arms if arm.mean is not None and arm.masks is not None]
    if not arms:
        return None
    looks = _looks([_curve(arm) for arm in summary.arms])
    panels: dict[str, list[ArmSummary]] = {}
    for arm in arms:
        panels.setdefault(valid_text(f"{arm.arm.data}, {arm.arm.network}"), []).append(arm)
    has_curves = any(len({arm.arm.amount for arm in of_panel}) > 1 for of_panel in panels.values())
    return (_figure_of_curves if has_curves else _figure_of_rows)(panels, looks)


def _curve(arm: ArmSummary) -> Curve:
    return arm.arm.strategy, arm.arm.method


def _looks(curves: Sequence[Curve]) -> dict[Curve, dict[str, Any]]:
    """How the arms of a strategy and a method are drawn, and their name in the legend."""
    strategies, methods = (list(dict.fromkeys(names)) for names in zip(*curves, strict=True))
    return {
        curve: {
            "color": _COLOURS[strategies.index(curve[0]) % len(_COLOURS)],
            "linestyle": _LINES[methods.index(curve[1]) % len(_LINES)],
            "marker": _MARKERS[methods.index(curve[1]) % len(_MARKERS)],
            "label": ", ".join(curve),
        }
        for curve in dict.fromkeys(curves)
    }


def _figure_of_curves(panels: Mapping[str, Sequence[ArmSummary]], looks: Mapping[Curve, Mapping[str, Any]]) -> Any:
    """Score against labelled tiles, the panels side by side."""
    figure = new_figure(max(5.6, 4.2 * len(panels)), 4.2)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, arms) in zip(axes, panels.items(), strict=True):
        counts = sorted({round(arm.masks or 0) for arm in arms})
        span = counts[-1] - counts[0] or max(5, counts[0] // 2)
        for place, (curve, look) in enumerate(looks.items()):
            shift = _APART * span * (place - (len(looks) - 1) / 2)  # so that intervals can be told apart
            points = sorted((arm for arm in arms if _curve(arm) == curve), key=lambda arm: arm.masks or 0.0)
            if points:
                places = [(point.masks or 0.0) + shift for point in points]
                for at, point in zip(places, points, strict=True):
                    axis.plot([at] * len(point.scores), point.scores, color=look["color"], **_RUNS)
                axis.errorbar(places, _means(points), yerr=_ends(points), **look, **_MEANS)
        axis.set(xlabel="labelled tiles", ylabel=_SCORE)
        if len(panels) > 1:
            axis.set_title(title, fontsize=11)
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.set_xlim(counts[0] - 0.2 * span, counts[-1] + 0.2 * span)
        _finish(axis)
    drawn = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    below = {"loc": "upper left", "bbox_to_anchor": (0, -0.16), "borderaxespad": 0}
    axes[0].legend(drawn.values(), drawn.keys(), **below, ncols=2, frameon=False, fontsize=9)
    return figure


def _figure_of_rows(panels: Mapping[str, Sequence[ArmSummary]], looks: Mapping[Curve, Mapping[str, Any]]) -> Any:
    """A row for each strategy and method, the panels below one another on one scale."""
    heights = [len(arms) for arms in panels.values()]
    figure = new_figure(5.6, 0.9 + 0.5 * len(panels) + 0.32 * sum(heights))
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axis, (title, arms) in zip(axes, panels.items(), strict=True):
        for row, arm in enumerate(arms):
            look = {**looks[_curve(arm)], "linestyle": "none"}
            axis.plot(arm.scores, [row] * len(arm.scores), color=look["color"], **_RUNS)
            axis.errorbar(_means([arm]), [row], xerr=_ends([arm]), **look, **_MEANS)
        axis.set_yticks(range(len(arms)), [valid_text(", ".join(_curve(arm))) for arm in arms])
        axis.set_ylim(len(arms) - 0.5, -0.5)
        tiles = " to ".join(str(count) for count in sorted({round(arm.masks or 0) for arm in arms}))
        axis.set_title(f"{title}, {tiles} labelled tiles", fontsize=10, loc="left")
        _finish(axis)
    axes[-1].set_xlabel(_SCORE)
    return figure


def _means(points: Sequence[ArmSummary]) -> list[float]:
    return [point.mean or 0.0 for point in points]


def _ends(points: Sequence[ArmSummary]) -> list[list[float]]:
    """How far intervals reach below and above the means; 0: there is none."""
    lows, highs = ([getattr(point.on_these_areas, end) for point in points] for end in ("low", "high"))
    means = _means(points)
    return [
        [0.0 if low is None else mean - low for mean, low in zip(means, lows, strict=True)],
        [0.0 if high is None else high - mean for mean, high in zip(means, highs, strict=True)],
    ]


def _finish(axis: Any) -> None:
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
