"""The chart of a study: score against labels, a curve for each strategy and method."""

from pathlib import Path

from utils.console import valid_text
from utils.drawing.charts import new_figure
from utils.drawing.pictures import save_figure
from utils.studies.summary import ArmSummary, StudySummary

_COLOURS = ("#2a6f97", "#d1495b", "#6a994e", "#b08900", "#7b4b94", "#1f2933")


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
        for place, curve in enumerate(curves):
            points = [arm for arm in of_panel if (arm.arm.strategy, arm.arm.method) == curve]
            _draw(axis, points, place, len(curves), ", ".join(curve))
        axis.set(xlabel="labelled tiles", ylabel="mean IoU on the test tiles")
        axis.set_title(valid_text(", ".join(panel)), fontsize=11)
        counts = sorted({round(arm.masks or 0) for arm in of_panel})
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(loc="upper left", bbox_to_anchor=(0, -0.16), borderaxespad=0, ncols=2, frameon=False, fontsize=9)
    save_figure(path, figure)
    return True


def _draw(axis: object, points: list[ArmSummary], place: int, curves: int, name: str) -> None:
    """A curve; curves stand beside one another, so that their intervals can be told apart."""
    if not points:
        return
    masks = [point.masks or 0.0 for point in points]
    spread = 0.02 * max(masks) * (place - (curves - 1) / 2)
    means = [point.mean or 0.0 for point in points]
    lows = [mean - (p.on_these_areas.low or mean) for p, mean in zip(points, means, strict=True)]
    highs = [(p.on_these_areas.high or mean) - mean for p, mean in zip(points, means, strict=True)]
    axis.errorbar(  # type: ignore[attr-defined]
        [count + spread for count in masks],
        means,
        yerr=[lows, highs],
        color=_COLOURS[place % len(_COLOURS)],
        linestyle=("-", "--", ":")[place // len(_COLOURS) % 3],
        marker="o",
        markersize=4,
        capsize=3,
        linewidth=1.4,
        label=name,
    )
