"""CVAT: pictures, labels to paste into a project, and drafts as a "Segmentation mask 1.1" zip."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data.labelling.sources.cvat import LABEL_MAP, MASKS, UNDRAWN
from data.labelling.targets.target import ExportedTile, Target
from utils.drawing.pictures import colourise
from utils.errors import DataError
from utils.imagery.colours import RGB, format_colour
from utils.runs.files import storage_errors

DRAFT = "draft.zip"
_LIST = "ImageSets/Segmentation/default.txt"


class CvatTarget(Target):
    """`images/<tile>.png`, `labels.json`, `labelmap.txt`, and with drafts `draft.zip`."""

    title = "CVAT"

    def check(self) -> None:
        """Refuse names that its label map cannot hold."""
        if wrong := [name for name in self.classes.names if ":" in name or name.startswith("#") or "\n" in name]:
            raise DataError(
                f"the class '{wrong[0]}' cannot be a label of CVAT, whose {LABEL_MAP} knows neither ':' nor '#' in a "
                "name; rename it in dataset.json, or give another tool"
            )
        self._drafted: list[str] = []
        self._table: list[RGB] = [(0, 0, 0)] * (max(self.classes.ids) + 1)
        for index, colour in self.classes.colour_table.items():
            self._table[index] = colour

    def add(self, tile: ExportedTile) -> None:
        """Write the picture, and the draft in colours into the zip."""
        self.write_png(f"images/{tile.name}.png", tile.picture)
        if tile.draft is not None:
            self._drafted.append(tile.name)
            self._add_to_zip(f"{MASKS}/{tile.name}.png", _png(colourise(tile.draft, self._table)))

    def finish(self) -> None:
        """Write the labels, for a project and for the zip."""
        self.write(LABEL_MAP, self.label_map().encode())
        labels = [
            {"name": name, "color": format_colour(colour).lower(), "type": "mask", "attributes": []}
            for name, colour in zip(self.classes.names, self.classes.colours, strict=True)
        ]
        self.write("labels.json", (json.dumps(labels, indent=2, ensure_ascii=False) + "\n").encode())
        if self._drafted:
            self._add_to_zip(LABEL_MAP, self.label_map().encode())
            self._add_to_zip(_LIST, "".join(f"{name}\n" for name in self._drafted).encode())

    def label_map(self) -> str:
        """Labels and their colours, as CVAT writes and reads them."""
        named = [(UNDRAWN, (0, 0, 0)), *zip(self.classes.names, self.classes.colours, strict=True)]
        lines = [f"{name}:{','.join(map(str, colour))}::\n" for name, colour in named]
        return "# label:color_rgb:parts:actions\n" + "".join(lines)

    def _add_to_zip(self, name: str, content: bytes) -> None:
        path = self.folder / DRAFT
        with storage_errors(path), zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)

    def back(self, out: Path) -> str:
        """What CVAT exports, beside the folder."""
        return str(out.with_name("EXPORTED.zip"))

    @property
    def opening(self) -> Sequence[str]:
        """Project, task, draft."""
        steps = [
            "Make a project; under Labels choose Raw, and paste labels.json in place of what is there.",
            "Make a task in the project, and add the files of images/ to it. Keep their names.",
            "Open its job; the tab Labels at the right shows the key of each label.",
        ]
        if self.has_drafts:
            steps.append(
                f"For the draft: Actions → Upload annotations → Segmentation mask 1.1 → {DRAFT}. Then correct what is "
                "wrong, with the brush, the eraser and the polygon of the mask tool."
            )
        else:
            steps.append("Draw with the brush or the polygon of the mask tool; later masks lie on top.")
        return steps

    @property
    def saving(self) -> Sequence[str]:
        """The export as masks."""
        return ["Save the job, then Actions → Export task dataset → Segmentation mask 1.1, without images."]


def _png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=3)
    return content.getvalue()
