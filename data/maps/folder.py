"""The folder of a prediction: a map of each image in several kinds of files, and tables of the classes' shares."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from data.maps.images import MapImage
from data.maps.settings import MapOutputs
from data.maps.writing.picture_map import PictureMap
from data.maps.writing.target import MapTarget
from utils.errors import DataError, warn
from utils.evaluation.strips import MapStrip
from utils.imagery.colours import RGB
from utils.runs.files import read_json, write_json, write_text
from utils.runs.output import Kind, OutputFolder
from utils.settings import SettingsError
from utils.tables import table_text
from utils.wording import worded

if TYPE_CHECKING:  # with GDAL
    from data.maps.areas import ClassAreas

_TABLES = r"class_(shares|areas)\.csv"
_MAPS = r"(ids|colour|overlay|confidence)/.+\.png|(ids|confidence|probabilities)/.+\.(tif|tif\.aux\.xml|qml)"
_ENDINGS = (".tif.aux.xml", ".tif", ".qml", ".png")

MAPS = Kind(
    noun="a prediction",
    option="save_dir",
    record="prediction.json",
    record_key="options",
    files=rf"prediction\.json|{_TABLES}|{_MAPS}",
    worth=rf"{_TABLES}|{_MAPS}",
    folders=("ids", "colour", "overlay", "confidence", "probabilities"),
)


class OpenMap(Protocol):
    """The map of one image while it is made; it writes no file under its final name before `finish`."""

    @property
    def pixels(self) -> np.ndarray:
        """Of each class so far, int64 (C,)."""
        ...

    def write(self, strip: MapStrip) -> None:
        """Take the next strip, at the size that the image was opened with."""
        ...

    def finish(self) -> None:
        """Write the files."""
        ...

    def discard(self) -> None:
        """Leave nothing behind."""
        ...


class MapFolder(OutputFolder):
    """Maps in the folders `ids`, `colour`, `overlay`, `confidence` and `probabilities`, tables and `prediction.json`.

    Args:
        path: the folder.
        classes: pixel classes in the order of their ids.
        colours: RGB of each.
        outputs: what is written beside class ids.
        shown: from an image as it was predicted to RGB, uint8 (H, W, 3).

    Attributes:
        target: where maps are written, and what of each.
        sizes, pixels: height and width, and pixels of each class, of the maps that are finished, by the image's name.
        areas: of those that are GeoTIFF, likewise.
    """

    def __init__(
        self,
        path: Path,
        classes: Sequence[str],
        colours: Sequence[RGB],
        outputs: MapOutputs | None = None,
        shown: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    ) -> None:
        super().__init__(path, MAPS)
        folders = {kind: path / kind for kind in MAPS.folders}
        self.target = MapTarget(folders, classes, colours, outputs or MapOutputs(), shown)
        self.shares = path / "class_shares.csv"
        self._has_begun = False
        self._images: set[str] | None = None  # of the prediction that is there, once the folder is claimed
        self.sizes: dict[str, tuple[int, int]] = {}
        self.pixels: dict[str, np.ndarray] = {}
        self.areas: dict[str, ClassAreas] = {}

    def begin_with(self, images: Sequence[MapImage], record: Mapping[str, Any]) -> None:
        """Make room for a prediction, once there is a map to write; a second call changes nothing.

        Args:
            images: of which there will be maps.
            record: how the maps are made, for `prediction.json`.
        """
        if self._has_begun:
            return
        self._has_begun = True
        self.begin()
        names = [image.name for image in images]
        self._images = set(names)
        write_json(self.record, {**record, "images": names})

    def check_images(self, images: Sequence[MapImage]) -> None:
        """Refuse to write maps over files of others.

        Raises:
            OptionError: there is one.
        """
        for image in images:
            for kind in MAPS.folders:
                for ending in _ENDINGS:
                    name = f"{kind}/{image.name}{ending}"
                    if (self.path / name).exists() and not self.is_ours(name):
                        message = "{} is there, but not by this command; move it, or give another {save_dir}"
                        raise SettingsError(message, self.path / name)

    @property
    def holds_run(self) -> bool:
        """Whether there are maps of a prediction, which has a record."""
        return self.record.is_file() and super().holds_run

    def is_ours(self, name: str) -> bool:
        """Whether a file is one that this command writes: of maps, only those of the record's images."""
        if not super().is_ours(name):
            return False
        file = name.partition("/")[2]
        if not file or self._images is None:
            return True
        ending = next(ending for ending in _ENDINGS if file.endswith(ending))
        return file.removesuffix(ending) in self._images

    def _recover(self, was_killed: bool) -> None:
        self._images = self._recorded_images()  # whose maps it may remove
        super()._recover(was_killed)  # which may bring the record back
        self._images = self._recorded_images()

    def _recorded_images(self) -> set[str] | None:
        """Images of the prediction that is there; None where there is none.

        Raises:
            DataError: its record does not tell, so that no map may be removed.
        """
        if not self.record.is_file():
            return None
        record = read_json(self.record)
        if MAPS.record_key not in record:  # of another command, which `claim` refuses
            return None
        images = record.get("images")
        if not isinstance(images, list) or not all(isinstance(name, str) for name in images):
            raise DataError(
                worded(
                    "{}: `images` is {}, expected the names of the images whose maps are there; restore it, move the "
                    "maps, or give another {save_dir}",
                    self.record,
                    str(images)[:60],
                )
            )
        return set(images)

    # --- maps ---------------------------------------------------------------------------------------------------------

    def map_of(self, image: MapImage) -> OpenMap:
        """Begin the map of an image."""
        if image.read_as_filed is not None:
            return PictureMap(image, self.target)
        from data.maps.writing.scene_map import SceneMap  # with GDAL

        return SceneMap(image, self.target)

    def add(self, image: MapImage, map_of_image: OpenMap) -> None:
        """Count a finished map, which from now on is kept whatever happens."""
        self.establish()
        self.sizes[image.name], self.pixels[image.name] = image.file_size(), map_of_image.pixels
        if (areas := getattr(map_of_image, "areas", None)) is not None:
            self.areas[image.name] = areas

    def finish(self) -> None:
        """Write the tables.

        `class_shares.csv` has a line an image, with height and width of its map and each class's fraction of the pixels
        that have a class; `class_areas.csv`, of scenes, the pixels and the area of each class.
        """
        rows: list[list[object]] = [["image", "height", "width", *self.target.classes]]
        for name, pixels in self.pixels.items():
            rows.append([name, *self.sizes[name], *(f"{share:.6f}" for share in pixels / max(1, pixels.sum()))])
        write_text(self.shares, table_text(rows))
        if self.areas:
            from data.maps.areas import CLASS_AREAS, write_class_areas  # with GDAL

            target, path = self.target, self.path / CLASS_AREAS
            for note in write_class_areas(path, self.areas, target.classes, target.outputs.accuracy):
                warn(note)

    def total_shares(self) -> np.ndarray:
        """Fraction of all images' pixels with a class that each class has, shape (C,)."""
        pixels: np.ndarray = np.sum(list(self.pixels.values()), axis=0)
        return pixels / max(1, pixels.sum())
