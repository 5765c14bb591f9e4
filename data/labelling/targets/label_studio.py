"""Label Studio: pictures, tasks that name them, a labelling configuration, and drafts as predictions."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from data.labelling.run_lengths import encode_brush
from data.labelling.sources.label_studio import TILE
from data.labelling.targets.target import ExportedTile, Target
from utils.imagery.colours import format_colour

TASKS, CONFIG = "tasks.json", "label_config.xml"
_BRUSH, _POLYGON, _IMAGE = "brush", "polygon", "image"


class LabelStudioTarget(Target):
    """`images/<tile>.png`, `tasks.json` and `label_config.xml`.

    The tasks name pictures as Label Studio serves local files, relative to the folder of the export.
    """

    title = "Label Studio"
    keys = True

    def check(self) -> None:
        """Begin the list of tasks."""
        self._tasks: list[dict[str, Any]] = []

    def add(self, tile: ExportedTile) -> None:
        """Write the picture, and keep its task with the draft as a prediction."""
        path = f"images/{tile.name}.png"
        self.write_png(path, tile.picture)
        task: dict[str, Any] = {"data": {"image": f"/data/local-files/?d={quote(path)}", TILE: tile.name}}
        if tile.draft is not None:
            task["predictions"] = [{"model_version": "draft", "result": self._regions(tile.draft)}]
        self._tasks.append(task)

    def _regions(self, draft: np.ndarray) -> list[dict[str, Any]]:
        """A brush for each class that the draft has."""
        height, width = draft.shape
        found = []
        for index, name in zip(self.classes.ids, self.classes.names, strict=True):
            if not (painted := draft == index).any():
                continue
            value = {"format": "rle", "rle": encode_brush(painted), "brushlabels": [name]}
            size = {"original_width": width, "original_height": height, "image_rotation": 0}
            ends = {"from_name": _BRUSH, "to_name": _IMAGE, "type": "brushlabels"}
            found.append({"id": f"draft{index}", **ends, **size, "value": value})
        return found

    def finish(self) -> None:
        """Write tasks and configuration."""
        self.write(TASKS, (json.dumps(self._tasks, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
        self.write(CONFIG, self.config().encode())

    def config(self) -> str:
        """The labelling interface: a brush and a polygon with the same labels, keys on the brush's."""
        lines = ["<View>", f'  <Image name="{_IMAGE}" value="$image" zoom="true" zoomControl="true"/>']
        for kind, name, has_keys in (("BrushLabels", _BRUSH, True), ("PolygonLabels", _POLYGON, False)):
            lines.append(f'  <{kind} name="{name}" toName="{_IMAGE}">')
            for label, colour, key in zip(self.classes.names, self.classes.colours, self.classes.keys, strict=True):
                hotkey = f' hotkey="{key}"' if key and has_keys else ""
                lines.append(f'    <Label value={quoteattr(label)} background="{format_colour(colour)}"{hotkey}/>')
            lines.append(f"  </{kind}>")
        return "\n".join([*lines, "</View>", ""])

    def back(self, out: Path) -> str:
        """What Label Studio exports, beside the folder."""
        return str(out.with_name("EXPORTED.json"))

    @property
    def opening(self) -> Sequence[str]:
        """Local files, project, tasks."""
        steps = [
            "Let Label Studio serve this folder: start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to this folder's absolute path.",
            f"Make a project; under Labeling Setup choose Custom template → Code, and paste {CONFIG}.",
            "Under Settings → Cloud Storage add a source storage of the kind Local files, whose path is the folder "
            "images/ here; save it without syncing.",
            f"Import {TASKS}.",
        ]
        if self.has_drafts:
            steps.append("Settings → Annotation: let predictions be shown and used to prelabel. Correct them.")
        return steps

    @property
    def saving(self) -> Sequence[str]:
        """The export as JSON."""
        return ["Submit each task, then Export → JSON (not JSON-MIN). It also tells how long each task took."]
