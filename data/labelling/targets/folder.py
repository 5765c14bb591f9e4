"""A folder of pictures for any drawing program: PNG, a list of classes with their colours, drafts as palette files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.labelling.targets.target import ExportedTile, Target
from utils.imagery.colours import format_colour
from utils.imagery.labels import IGNORE_INDEX
from utils.tables import table_text


class FolderTarget(Target):
    """`images/<tile>.png`, `classes.csv`, and `masks/<tile>.png`, which holds the drafts and takes what is drawn."""

    title = "a drawing program"

    def check(self) -> None:
        """Any program takes any class."""

    def add(self, tile: ExportedTile) -> None:
        """Write the picture and the draft."""
        self.write_png(f"images/{tile.name}.png", tile.picture)
        if tile.draft is not None:
            table = np.zeros((256, 3), np.uint8)
            for index, colour in self.classes.colour_table.items():
                table[index] = colour
            table[IGNORE_INDEX] = 0
            self.write_png(f"masks/{tile.name}.png", tile.draft, table.tobytes())

    def finish(self) -> None:
        """Write the list of classes."""
        rows = zip(self.classes.ids, self.classes.names, map(format_colour, self.classes.colours), strict=True)
        self.write("classes.csv", table_text([("id", "class", "colour"), *rows]).encode())
        (self.folder / "masks").mkdir(exist_ok=True)

    def back(self, out: Path) -> str:
        """The folder of masks."""
        return str(out / "masks")

    @property
    def opening(self) -> Sequence[str]:
        """Picture and mask on one another."""
        begin = "Open a mask of masks/, which holds the draft, over its picture of images/." if self.has_drafts else (
            "Open a picture of images/, and add an empty layer above it."
        )  # fmt: skip
        return [begin, "Draw with a hard brush, without smoothed edges, in exactly the colours above."]

    @property
    def saving(self) -> Sequence[str]:
        """One file a tile."""
        return [
            "Save the layer alone, as large as the picture, as masks/<the picture's name>.png: in the colours above, "
            "or as grey values or palette indices that are the ids in classes.csv.",
            "Leave transparent or black what has no class.",
        ]
