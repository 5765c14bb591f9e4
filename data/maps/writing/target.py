"""Where maps are written, and what of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.maps.settings import MapOutputs
from utils.imagery.colours import RGB


@dataclass(frozen=True)
class MapTarget:
    """What all maps of a prediction have in common.

    Attributes:
        folders: where they lie, by kind.
        classes: names in the order of their ids.
        colours: RGB of each.
        outputs: what is written beside class ids.
        shown: from an image as it was predicted to RGB, uint8 (H, W, 3).
    """

    folders: Mapping[str, Path]
    classes: Sequence[str]
    colours: Sequence[RGB]
    outputs: MapOutputs
    shown: Callable[[np.ndarray], np.ndarray]

    def file(self, kind: str, name: str, ending: str) -> Path:
        """The file of a kind of map of an image."""
        return self.folders[kind] / f"{name}{ending}"
