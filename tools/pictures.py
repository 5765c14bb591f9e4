"""Make the README's pictures: a drawing of the method, and what a run of the demo left, small enough for a page.

make demo
python tools/pictures.py --demo runs/demo --out assets
"""

import argparse
import io
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.parser import CommandParser
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"), metavar="DIR", help="folder of a demo run")
    parser.add_argument("--out", type=Path, default=Path("assets"), metavar="DIR", help="folder of the pictures")
    parser.add_argument("--debug", action="store_true", help="show a traceback with an error")
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

from PIL import Image

from utils.drawing.pictures import grid_height, save_figure
from utils.errors import OptionError
from utils.runs.files import write_atomically

LARGEST = 300 * 1024  # bytes of a picture
WIDEST = 1100  # pixels
SCENE, LABELS, MAP, JUDGE, LOSS = "#e8f1fa", "#fdf1d6", "#e6f4e6", "#f6e3ee", "#ffffff"

OF_A_RUN = {  # pictures of a demo run, by name: where they lie in its folder
    "chosen": "active_learning/*/*/chosen.png",
    "curves": "chosen/checkpoint/curves.png",
    "tiles": "chosen/results/tiles.png",
    "miou": "chosen/results/miou.png",
    "classes": "chosen/results/classes.png",
    "confusion": "chosen/results/confusion.png",
}
CAPTION_LINES = 4  # under a chosen tile


def make_pictures(args: argparse.Namespace) -> None:
    """Draw the method and take over the run's pictures.

    Raises:
        OptionError: the run's folder lacks one.
    """
    sources = {name: next(args.demo.glob(place), None) for name, place in OF_A_RUN.items()}
    if absent := [OF_A_RUN[name] for name, source in sources.items() if source is None]:
        raise OptionError(f"--demo {args.demo} has no {', '.join(absent)}; run `make demo` first")
    pictures = {name: Image.open(source).convert("RGB") for name, source in sources.items() if source is not None}
    chosen, tiles = pictures.pop("chosen"), pictures.pop("tiles")
    pictures["chosen"] = first_rows(chosen, 3)
    pictures["demo"] = above(first_rows(chosen, 1), tiles)
    save_figure(args.out / "method.png", draw_method())
    for name, picture in pictures.items():
        save_small(args.out / f"{name}.png", picture)
    for path in sorted(args.out.glob("*.png")):
        print(f"{path}  {path.stat().st_size / 1024:.0f} KiB")


def first_rows(sheet: Image.Image, rows: int) -> Image.Image:
    """The first rows of a contact sheet of chosen tiles."""
    return sheet.crop((0, 0, sheet.width, min(sheet.height, grid_height(rows, CAPTION_LINES))))


def above(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """One picture above another, the wider one brought to the narrower one's width."""
    width = min(upper.width, lower.width)
    parts = [p.resize((width, round(p.height * width / p.width)), Image.Resampling.LANCZOS) for p in (upper, lower)]
    sheet = Image.new("RGB", (width, sum(part.height for part in parts)), "white")
    sheet.paste(parts[0])
    sheet.paste(parts[1], (0, parts[0].height))
    return sheet


def save_small(path: Path, picture: Image.Image) -> None:
    """Write a PNG of at most `WIDEST` pixels and `LARGEST` bytes: 256 colours, and smaller until it fits."""
    scale = min(1.0, WIDEST / picture.width)
    while len(png := _as_png(picture, scale)) > LARGEST:
        scale *= 0.9
    write_atomically(path, lambda file: file.write(png))


def _as_png(picture: Image.Image, scale: float) -> bytes:
    size = (round(picture.width * scale), round(picture.height * scale))
    small = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.quantize(256, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


# --- the drawing of the method ----------------------------------------------------------------------------------------


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


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(make_pictures, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
