"""The chart of a study: score against labels; strategies have colours, methods kinds of lines."""

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


def save_study_chart(path: Path, summary: StudySummary) -> bool:
    """Draw mean IoU against labelled tiles with intervals on these areas; a panel for each data set and network.

    Args:
        path: the PNG to write.
        summary: the study's; arms with a missing run are left out.

    Returns:
        Whether there was anything to draw.
    """
    arms = [arm for arm in summary.arms if arm.mean is not None and arm.masks is not None]
    if not arms:
        return False
    panels = list(dict.fromkeys((arm.arm.data, arm.arm.network) for arm in arms))
    curves = list(dict.fromkeys((arm.arm.strategy, arm.arm.method) for arm in summary.arms))
    figure = new_figure(max(5.6, 4.2 * len(panels)), 4.2)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        of_panel = [arm for arm in arms if (arm.arm.data, arm.arm.network) == panel]
        counts = sorted({round(arm.masks or 0) for arm in of_panel})
        span = counts[-1] - counts[0] or max(5, counts[0] // 2)  # so that means of areas' counts are in it
        for place, curve in enumerate(curves):
            points = [arm for arm in of_panel if (arm.arm.strategy, arm.arm.method) == curve]
            shift = _APART * span * (place - (len(curves) - 1) / 2)  # so that intervals can be told apart
            look = _look(curve, list(dict.fromkeys(s for s, _ in curves)), list(dict.fromkeys(m for _, m in curves)))
            _draw(axis, points, shift, look)
        axis.set(xlabel="labelled tiles", ylabel="mean IoU on the test tiles")
        if len(panels) > 1:
            axis.set_title(valid_text(", ".join(panel)), fontsize=11)
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.set_xlim(counts[0] - 0.2 * span, counts[-1] + 0.2 * span)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    drawn = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    below = {"loc": "upper left", "bbox_to_anchor": (0, -0.16), "borderaxespad": 0}
    axes[0].legend(drawn.values(), drawn.keys(), **below, ncols=2, frameon=False, fontsize=9)
    save_figure(path, figure)
    return True


def _look(curve: tuple[str, str], strategies: Sequence[str], methods: Sequence[str]) -> dict[str, Any]:
    """How the curve of a strategy and a method is drawn, and its name in the legend."""
    colour, line = strategies.index(curve[0]), methods.index(curve[1])
    return {
        "color": _COLOURS[colour % len(_COLOURS)],
        "linestyle": _LINES[line % len(_LINES)],
        "marker": _MARKERS[line % len(_MARKERS)],
        "label": ", ".join(curve),
    }


def _draw(axis: Any, points: Sequence[ArmSummary], shift: float, look: Mapping[str, Any]) -> None:
    """A curve, a little beside the others.

    Args:
        axis: to draw on.
        points: arms of one strategy and method.
        shift: by how many labelled tiles it stands beside its place.
        look: its colour, line and name.
    """
    if not points:
        return
    points = sorted(points, key=lambda point: point.masks or 0.0)
    means = [point.mean or 0.0 for point in points]
    ends = [(p.on_these_areas.low, p.on_these_areas.high) for p in points]
    lows = [0.0 if low is None else mean - low for mean, (low, _) in zip(means, ends, strict=True)]
    highs = [0.0 if high is None else high - mean for mean, (_, high) in zip(means, ends, strict=True)]
    places = [(point.masks or 0.0) + shift for point in points]
    axis.errorbar(places, means, yerr=[lows, highs], markersize=4.5, capsize=3, linewidth=1.4, **look)
