"""The drawing of the method: how tiles are chosen, and how a network learns from few labels."""

from typing import Any

SCENE, LABELS, MAP, JUDGE, LOSS = "#e8f1fa", "#fdf1d6", "#e6f4e6", "#f6e3ee", "#ffffff"  # fill colours of the boxes


def draw_method() -> Any:
    """Learner, generator, discriminator and losses, as a matplotlib figure."""
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(10, 5.2), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(0, 101), ylim=(0, 53))
    axis.axis("off")
    _heading(axis, 1, 51.5, "1  Choose what to label", "tools/train_AL.py")
    _box(axis, 1, 39, 17, 9, "unlabelled tiles", SCENE)
    _box(axis, 27, 39, 17, 9, "scene classifier\nfitted on the labels so far", MAP)
    _box(axis, 53, 39, 17, 9, "query strategy\nleast certain tiles", JUDGE)
    _box(axis, 79, 39, 20, 9, "people\nscene label now, mask at the end", LABELS)
    _arrow(axis, (18, 43.5), (27, 43.5))
    _arrow(axis, (44, 43.5), (53, 43.5), "probabilities")
    _arrow(axis, (70, 43.5), (79, 43.5), "ask")
    _arrow(axis, (89, 39), (35.5, 39), "labels: until the budget is spent", bend=-0.12)

    _heading(axis, 1, 30.5, "2  Learn from few labels", "tools/train_s4gan.py")
    _box(axis, 1, 20, 17, 7, "chosen tiles with masks", LABELS)
    _box(axis, 1, 4, 17, 7, "all other tiles", SCENE)
    _box(axis, 27, 10, 17, 11, "generator\nDeepLabv2, ResNet-101", MAP)
    _box(axis, 53, 4, 17, 7, "class maps", MAP)
    _box(axis, 53, 20, 17, 7, "human masks, one-hot", LABELS)
    _box(axis, 76, 10, 14, 11, "discriminator\nhuman or not?", JUDGE)
    _arrow(axis, (18, 23), (27, 19))
    _arrow(axis, (18, 7.5), (27, 12))
    _arrow(axis, (44, 12), (53, 7.5))
    _arrow(axis, (70, 23), (76, 19))
    _arrow(axis, (70, 7.5), (76, 12))
    _box(axis, 27, 24.5, 17, 4.5, "cross-entropy", LOSS)
    _arrow(axis, (35.5, 21), (35.5, 24.5))
    _box(axis, 92, 18, 8, 6, "feature\nmatching", LOSS)
    _box(axis, 92, 7, 8, 6, "D's own\nloss", LOSS)
    _arrow(axis, (90, 17), (92, 20))
    _arrow(axis, (90, 13), (92, 10.5))
    _box(axis, 27, 0.5, 17, 5, "self-training on maps\nthat D believes", LOSS)
    _arrow(axis, (53, 5), (44, 3))
    return figure


def _heading(axis: Any, x: float, y: float, title: str, command: str) -> None:
    axis.text(x, y, title, fontsize=12, fontweight="bold", va="center")
    axis.text(x + 31, y, command, fontsize=9, family="monospace", color="#555555", va="center")


def _box(axis: Any, x: float, y: float, width: float, height: float, text: str, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    style, dashes = "round,pad=0,rounding_size=0.8", "--" if colour == LOSS else "-"
    shape = FancyBboxPatch((x, y), width, height, boxstyle=style, fc=colour, ec="#444444", lw=1.0, ls=dashes)
    axis.add_patch(shape)
    title, _, rest = text.partition("\n")
    middle = x + width / 2
    if colour == LOSS or not rest:
        axis.text(middle, y + height / 2, text, ha="center", va="center", fontsize=8.5)
        return
    axis.text(middle, y + height * 0.62, title, ha="center", va="center", fontsize=9.5)
    axis.text(middle, y + height * 0.3, rest, ha="center", va="center", fontsize=7, color="#444444")


def _arrow(axis: Any, start: tuple[float, float], end: tuple[float, float], text: str = "", bend: float = 0.0) -> None:
    style = {"arrowstyle": "-|>", "color": "#444444", "connectionstyle": f"arc3,rad={bend}"}
    axis.annotate("", xy=end, xytext=start, arrowprops=style)
    if text:
        x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        axis.text(x, y + (1 if not bend else -4.6), text, ha="center", fontsize=7.5, color="#444444")
