"""What a training run says of itself: `options.json`, written at its beginning and read by everything that comes after.

Version 2. A file without a version is of version 1: RGB of 0 to 255, s4GAN. Whoever needs to know what a network was
trained on reads it here, so that training, evaluation, prediction and export see the same numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from utils.imagery.bands import RGB_BANDS, Bands, bands_of_json
from utils.imagery.colours import RGB, distinct_colours
from utils.errors import DataError
from utils.imagery.pixels import IMAGENET_MEAN, IMAGENET_STD
from utils.imagery.labels import IGNORE_INDEX, MAX_CLASSES
from utils.runs.files import read_json, write_json
from utils.runs.origin import Origin

VERSION = 2


@dataclass(frozen=True)
class RunRecord:
    """A training run, as evaluation, prediction and resumption need to know it.

    Attributes:
        backbone: name of the generator's backbone.
        classes: pixel classes in the order of their ids.
        colours: RGB of each, for pictures.
        tile_size: height and width of the training tiles; None where nobody says.
        method: name of the training method.
        ignore_label: id that was not learned from, beside 255.
        bands: of the images, with their ranges and normalisation.
        imagenet_weights: the generator started from ImageNet weights, so that BatchNorm's scale and shift are frozen.
        options: the run's settings as a flat table; what a resumption compares.
        machine: where and how it ran: precision, tf32, processes, torch.
        weights: that it started from; None: random ones, or nobody says.
    """

    backbone: str
    classes: tuple[str, ...]
    colours: tuple[RGB, ...]
    tile_size: tuple[int, int] | None = None
    method: str = "s4gan"
    ignore_label: int = IGNORE_INDEX
    bands: Bands = RGB_BANDS
    imagenet_weights: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    weights: Origin | None = None

    @property
    def num_steps(self) -> int | None:
        """Steps after which the run ends; None where its options do not say."""
        return self._count("num_steps")

    @property
    def save_pred_every(self) -> int | None:
        """Steps between its checkpoints; None where its options do not say."""
        return self._count("save_pred_every")

    @property
    def crop(self) -> tuple[int, int] | None:
        """Height and width of its training crops; None where its options do not say."""
        size = self.options.get("input_size")
        if not (isinstance(size, list | tuple) and len(size) == 2 and all(type(s) is int and s > 0 for s in size)):
            return None
        return size[0], size[1]

    def _count(self, name: str) -> int | None:
        value = self.options.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OptionError: the folder cannot be written.
            DataError: the disk is full.
        """
        table = {f.name: getattr(self, f.name) for f in fields(self)} | self.bands.as_json()
        weights = None if self.weights is None else self.weights.as_json()
        write_json(path, {"version": VERSION, **table, "weights": weights})


def read_record(path: Path) -> RunRecord:
    """Read an `options.json` of any version.

    Raises:
        DataError: the file is missing, damaged, of a later version, or holds something else.
    """
    raw = read_json(path)
    version = raw.get("version", 1)
    if version not in (1, VERSION):
        raise DataError(f"{path} is of version {version!r}, and this program reads up to {VERSION}; use a newer program")
    if not isinstance(raw.get("backbone"), str):
        raise _damaged(path, "backbone", "the name of a backbone", raw.get("backbone"))
    options = raw.get("options", {})
    if not isinstance(options, dict):
        raise _damaged(path, "options", "the run's options by name", options)
    classes = _classes(path, raw)
    record = RunRecord(
        backbone=raw["backbone"],
        classes=classes,
        colours=_colours(path, raw, len(classes)),
        tile_size=_tile_size(path, raw),
        ignore_label=_ignore_label(path, raw.get("ignore_label", options.get("ignore_label", IGNORE_INDEX))),
        imagenet_weights=raw.get("imagenet_weights") if isinstance(raw.get("imagenet_weights"), bool) else None,
        options=options,
    )
    return _with_bands(path, raw, record) if version == VERSION else _of_version_1(path, raw, record)


def _of_version_1(path: Path, raw: Mapping[str, Any], record: RunRecord) -> RunRecord:
    """The rest of a file of version 1, whose only normalisation was ImageNet's."""
    ours = {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
    if raw.get("normalisation", ours) != ours:
        raise _damaged(path, "normalisation", f"the one of its version, {ours}", raw["normalisation"])
    options = record.options
    # A run whose tiles were all labelled was supervised without being asked to be.
    all_labelled = options.get("labeled_ratio", "") in (None, "1", "1.0") and options.get("active_learning") is False
    method = "supervised" if options.get("supervised_only") is True or all_labelled else "s4gan"
    machine = {name: raw[name] for name in ("precision", "tf32", "processes", "torch") if name in raw}
    return replace(record, method=method, machine=machine)


def _with_bands(path: Path, raw: Mapping[str, Any], record: RunRecord) -> RunRecord:
    """The rest of a file of version 2: method, bands and machine."""
    method = raw.get("method", "s4gan")
    if not isinstance(method, str):
        raise _damaged(path, "method", "the name of a training method", method)
    try:
        bands = bands_of_json(raw)
        weights = None if raw.get("weights") is None else Origin.from_json(raw["weights"])
    except DataError as error:
        raise DataError(f"{path}: {error}; restore the file from the run") from error
    machine = raw["machine"] if isinstance(raw.get("machine"), dict) else {}
    return replace(record, method=method, bands=bands, machine=machine, weights=weights)


def _classes(path: Path, raw: Mapping[str, Any]) -> tuple[str, ...]:
    classes: Any = raw.get("classes")
    if not _is_list(classes, str) or not 2 <= len(classes) <= MAX_CLASSES:
        raise _damaged(path, "classes", "names of pixel classes", classes)
    return tuple(classes)


def _colours(path: Path, raw: Mapping[str, Any], count: int) -> tuple[RGB, ...]:
    colours = raw.get("colours") or [list(colour) for colour in distinct_colours(count)]
    is_right = isinstance(colours, list) and len(colours) == count
    if not is_right or not all(_is_list(c, int, 3) and set(c) <= set(range(256)) for c in colours):
        raise _damaged(path, "colours", f"{count} colours of three numbers 0 to 255", colours)
    return tuple((red, green, blue) for red, green, blue in colours)


def _tile_size(path: Path, raw: Mapping[str, Any]) -> tuple[int, int] | None:
    size = raw.get("tile_size")
    if size is None:
        return None
    if not (_is_list(size, int, 2) and min(size) > 0):
        raise _damaged(path, "tile_size", "height and width", size)
    return size[0], size[1]


def _ignore_label(path: Path, label: Any) -> int:
    if type(label) is not int or not 0 <= label <= IGNORE_INDEX:
        raise _damaged(path, "ignore_label", "an id of 0 to 255", label)
    return label


def _is_list(value: Any, kind: type, length: int | None = None) -> bool:
    is_list = isinstance(value, list) and all(type(item) is kind for item in value)
    return is_list and length in (None, len(value))


def _damaged(path: Path, key: str, expected: str, found: Any) -> DataError:
    return DataError(f"{path}: `{key}` is {str(found)[:60]}, expected {expected}; restore the file from the run")
