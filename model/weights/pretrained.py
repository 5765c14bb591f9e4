"""Weights that tools/pretrain.py makes: one file that holds a backbone's tensors and what has to be known of them.

`{"state_dict": tensors under torchvision's names, "pretraining": plain values}`, so that `weights_only=True` reads it,
whoever expects a state dict finds one, and what is known of the tensors cannot be lost from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from model.networks.names import BACKBONES
from model.weights.files import PRETRAINING, WeightFile, read_weight_file
from utils.digests import digest_of
from utils.errors import DataError
from utils.imagery.bands import Bands, bands_of_json
from utils.runs.files import save_tensors
from utils.runs.origin import Origin, SeenTiles
from utils.wording import worded

FILE = "backbone.pth"  # in the folder of a pre-training
VERSION = 1


@dataclass(frozen=True)
class Pretraining:
    """What a file of pre-trained weights says of itself.

    Attributes:
        task: `self` or `scenes`.
        backbone: a name of `BACKBONES`.
        bands: that the backbone sees, with their ranges and normalisation.
        input_size: height and width of its views in pixels.
        steps: that it has learned for.
        seen: tiles that it has learned from.
    """

    task: str
    backbone: str
    bands: Bands
    input_size: tuple[int, int]
    steps: int
    seen: tuple[SeenTiles, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "version": VERSION,
            "task": self.task,
            "backbone": self.backbone,
            **self.bands.as_json(),
            "input_size": list(self.input_size),
            "steps": self.steps,
            "seen": [tiles.as_json() for tiles in self.seen],
        }

    @classmethod
    def from_json(cls, raw: Any, path: Path) -> "Pretraining":
        """What `as_json` gave.

        Args:
            raw: of the file.
            path: the file, for messages.

        Raises:
            DataError: it is something else, or of a later version.
        """
        if not isinstance(raw, Mapping) or raw.get("version") != VERSION:
            version = raw.get("version") if isinstance(raw, Mapping) else None
            raise DataError(f"{path} is of version {version!r}, and this program reads {VERSION}; use a newer program")
        try:
            bands, seen = bands_of_json(raw), tuple(map(SeenTiles.from_json, raw["seen"]))
            height, width = map(int, raw["input_size"])
            return cls(str(raw["task"]), str(raw["backbone"]), bands, (height, width), int(raw["steps"]), seen)
        except (DataError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path} does not say what it was pre-trained on ({error}); make it again") from error

    def require_fit(self, path: Path, backbone: str | None, bands: Bands, field: str) -> None:
        """Refuse another backbone, and images that this one has not learned to see.

        Args:
            path: the file.
            backbone: that is asked for; None: any.
            bands: of the data set.
            field: of the settings that names the backbone.

        Raises:
            DataError: says what differs.
        """
        if backbone in BACKBONES and backbone != self.backbone:
            message = f"{{}} was pre-trained with the backbone {{}}, and this run has {{{field}}} {{}}; give the same"
            raise DataError(worded(message, path, self.backbone, backbone))
        theirs, ours = self.bands.as_json(), bands.as_json()
        for key, what in (("bands", "bands"), ("ranges", "value ranges"), ("mean", "mean"), ("std", "deviation")):
            if _told(theirs, key) != _told(ours, key):
                raise DataError(
                    f"{path} was pre-trained on tiles with the {what} {_told(theirs, key)}, and this data set has "
                    f"{_told(ours, key)}; pre-train on tiles like these, or let dataset.json say the same"
                )


def _told(table: Mapping[str, Any], key: str) -> str:
    """A key of bands in words; names without case, and wherever they lie in files."""
    if key == "bands":
        return ", ".join(band["name"].lower() for band in table[key])
    return ", ".join(f"{low:g} to {high:g}" for low, high in table[key]) if key == "ranges" else str(table[key])


def write_pretrained(path: Path, weights: Mapping[str, Tensor], pretraining: Pretraining) -> None:
    """Write a file of pre-trained weights, whole or not at all.

    Raises:
        OptionError: the folder cannot be written.
        DataError: the disk is full.
    """
    save_tensors(path, {"state_dict": dict(weights), PRETRAINING: pretraining.as_json()})


def pretraining_of(path: Path, file: WeightFile | None = None) -> Pretraining | None:
    """What a file says of its pre-training; None where it is of another make.

    Args:
        path: the file of weights.
        file: its content, where it has been read already.

    Raises:
        DataError, OptionError: as of `read_weight_file`; or what it says is damaged.
    """
    told = (file or read_weight_file(path)).told
    return None if told is None else Pretraining.from_json(told, path)


def origin_of_file(path: Path, seen: tuple[SeenTiles, ...] | None = None) -> Origin:
    """A file of weights, its digest, and the tiles that it has learned from.

    Args:
        path: the file.
        seen: these tiles, where they are known; None: as the file says.

    Raises:
        DataError, OptionError: as of `pretraining_of`.
    """
    if seen is None:
        pretraining = pretraining_of(path)
        seen = pretraining.seen if pretraining else ()
    return Origin(path.name, digest_of(path), seen)
