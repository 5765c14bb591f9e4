"""Make the README's pictures: a drawing of the method, and what a run of the demo left, small enough for a page.

python tools/demo.py --method s4gan
python tools/pictures.py --demo runs/demo --out assets
python tools/pictures.py --scene runs/dubai/results/scene.png --out assets     # a scene of an evaluation alone
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.as_settings import parsed
from tools.cli.parser import CommandParser
from tools.cli.running import parse_first, run


@dataclass(frozen=True)
class PictureSettings:
    """Which pictures to make.

    Attributes:
        demo: folder of a run of the demo.
        scene: `scene.png` of an evaluation, which is made small in place of the others; None: the others.
        out: folder of the pictures.
    """

    demo: Path = Path("runs/demo")
    scene: Path | None = None
    out: Path = Path("assets")


def parse_args(argv: list[str] | None = None) -> PictureSettings:
    """The settings that the command's options describe."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"), metavar="DIR", help="folder of a demo run")
    parser.add_argument("--scene", type=Path, metavar="FILE", help="scene.png of an evaluation, in place of the others")
    parser.add_argument("--out", type=Path, default=Path("assets"), metavar="DIR", help="folder of the pictures")
    parser.add_argument("--debug", action="store_true", help="show a traceback with an error")
    return parsed(parser, PictureSettings, parser.parse_args(argv))


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

from PIL import Image

from utils.drawing.method_diagram import draw_method
from utils.drawing.pictures import grid_height, save_figure
from utils.runs.files import write_atomically
from utils.settings import SettingsError

LARGEST = 300 * 1024  # bytes of a picture
WIDEST = 1100  # pixels

OF_A_RUN = {  # pictures of a demo run, by name: where they lie in its folder
    "chosen": "active_learning/*/*/chosen.png",
    "curves": "chosen/checkpoint/curves.png",
    "tiles": "chosen/results/tiles.png",
    "miou": "chosen/results/miou.png",
    "classes": "chosen/results/classes.png",
    "confusion": "chosen/results/confusion.png",
}
CAPTION_LINES = 4  # under a chosen tile


def make_pictures(settings: PictureSettings) -> None:
    """Draw the method and take over the run's pictures.

    Raises:
        SettingsError: the run's folder lacks one, or there is no such scene.
    """
    if settings.scene is not None:
        if not settings.scene.is_file():
            raise SettingsError("{scene} {} is no file; give the scene.png of tools/auto_evaluate.py", settings.scene)
        save_small(settings.out / "scene.png", Image.open(settings.scene))
        return
    sources = {name: next(settings.demo.glob(place), None) for name, place in OF_A_RUN.items()}
    if absent := [OF_A_RUN[name] for name, source in sources.items() if source is None]:
        raise SettingsError("{demo} {} has no {}; run `make demo` first", settings.demo, ", ".join(absent))
    pictures = {name: Image.open(source).convert("RGB") for name, source in sources.items() if source is not None}
    chosen, tiles = pictures.pop("chosen"), pictures.pop("tiles")
    pictures["chosen"] = first_rows(chosen, 3)
    pictures["demo"] = above(first_rows(chosen, 1), tiles)
    save_figure(settings.out / "method.png", draw_method())
    for name, picture in pictures.items():
        save_small(settings.out / f"{name}.png", picture)
    for path in sorted(settings.out.glob("*.png")):
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


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(make_pictures, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
