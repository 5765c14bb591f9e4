"""A page on which people give scene labels: self-contained, for any browser, without a server or a network.

What it shows is written into the template beside this file. Data stand in JSON in which nothing can end a script, and
reach the page as text only, so that no name of a class or a tile is taken for markup.
"""

import base64
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from utils.console import valid_text

TEMPLATE = Path(__file__).with_suffix(".html")
MINUTES = "minutes"  # the column of the file that is downloaded in which the page notes how long an answer took
_PAGE_BYTES = 64 * 2**20  # of pictures that a browser opens without effort
_SIDES = (640, 448, 320, 224, 160)  # pixels of a tile's longer side
_BYTES_A_PIXEL = 0.35  # of a JPEG of this quality, about
_QUALITY = 88


@dataclass(frozen=True)
class PageTile:
    """A tile that the page asks for.

    Attributes:
        name: as people read it.
        row: its place in the rows.
        predicted: what the classifier takes it for; empty where there is no classifier yet.
    """

    name: str
    row: int
    predicted: str = ""


def scene_label_page(
    title: str,
    key: str,
    path: Path,
    classes: Sequence[str],
    class_cells: Sequence[str],
    rows: Sequence[Sequence[str]],
    label_column: int,
    tiles: Sequence[PageTile],
    picture_of: Callable[[int], np.ndarray],
) -> str:
    """The page.

    Args:
        title: what is asked, such as the run and the round.
        key: under which the browser keeps the answers; another one for each run and round.
        path: of the file that the downloaded one takes the place of.
        classes, class_cells: names of the scene classes, and how each stands in a cell.
        rows: cells of the file as it is so far, the header first; the page fills in labels and minutes.
        label_column: place of the labels.
        tiles: those that are asked for.
        picture_of: the picture of one of them by its place in `tiles`; RGB, uint8 (H, W, 3).
    """
    header = [name.strip().lower() for name in rows[0]]
    cells = [list(row) for row in rows]
    if MINUTES not in header:
        cells = [[*row, MINUTES if number == 0 else ""] for number, row in enumerate(cells)]
        header.append(MINUTES)
    data = {
        "title": title,
        "key": key,
        "path": str(path),
        "classes": list(classes),
        "classCells": list(class_cells),
        "rows": cells,
        "labelColumn": label_column,
        "minutesColumn": header.index(MINUTES),
        "tiles": [{"name": tile.name, "row": tile.row, "predicted": tile.predicted} for tile in tiles],
    }
    pictures = "\n".join(
        f'<script type="text/plain" id="tile-{number}">{_jpeg(picture_of(number), len(tiles))}</script>'
        for number in range(len(tiles))
    )
    before, rest = TEMPLATE.read_text(encoding="utf-8").split("@@DATA@@")
    between, after = rest.split("@@TILES@@")
    return "".join((before, _script_json(data), between, pictures, after))


def _script_json(value: Any) -> str:
    """JSON that nothing in it can end a script or begin a comment in."""
    text = json.dumps(_valid(value), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, dict):
        return {key: _valid(item) for key, item in value.items()}
    return [_valid(item) for item in value] if isinstance(value, list) else value


def _jpeg(pixels: np.ndarray, count: int) -> str:
    """A picture as base64; smaller where there are many, so that the page stays light."""
    fitting = (side for side in _SIDES if count * side * side * _BYTES_A_PIXEL <= _PAGE_BYTES)
    side = next(fitting, _SIDES[-1])
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=_QUALITY, subsampling=0)
    return base64.b64encode(buffer.getvalue()).decode()
