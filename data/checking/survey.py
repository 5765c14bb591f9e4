"""One pass over the files of a data set: what each tile holds, and what is wrong with it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data.checking.mask_values import MaskValues
from data.decoding.images import ImageHeader, image_file_header, misfit
from data.decoding.masks import decode_mask, read_mask
from data.decoding.orientation import UPRIGHT
from data.descriptions import Description
from data.footprints.of_set import counted_once
from data.reader import TileReader
from utils.compute.threads import in_threads
from utils.errors import DataError
from utils.imagery.labels import IGNORE_INDEX, count_classes

if TYPE_CHECKING:  # with GDAL, PROJ and GEOS, which sets without places do not need
    from data.footprints.counting import CountedOnce

Size = tuple[int, int]
Orientation = Literal["upright", "turned", "as stored"]


@dataclass(frozen=True)
class Fault:
    """Why a file cannot be used.

    Attributes:
        kind: not there, not readable, or of a size that does not fit.
        path: the file.
        reason: one sentence for the user.
    """

    kind: Literal["missing", "unreadable", "size"]
    path: Path
    reason: str


@dataclass(frozen=True)
class SurveyedImage:
    """What an image file holds.

    Attributes:
        size: height and width of the file; None where its header cannot be read.
        mode: its mode in Pillow's words.
        digest: of its pixels as RGB at tile size; None where it cannot be read or has one colour only.
        orientation: whether it is turned as EXIF says, or left as stored although EXIF says to turn it.
        fault: why it cannot be used.
    """

    size: Size | None = None
    mode: str | None = None
    digest: str | None = None
    orientation: Orientation = "upright"
    fault: Fault | None = None


@dataclass(frozen=True)
class SurveyedMask:
    """What a mask file holds.

    Attributes:
        size, mode: as of an image.
        class_pixels: pixels of each class at the size of the file; empty where it cannot be read.
        counted_pixels: those of them that no other tile of the list counts, where tiles overlap.
        ignored: pixels that say "no class".
        off_palette: pixels whose colour or id no class has.
        values: pixels by value in the file.
        fault: why it cannot be used.
    """

    size: Size | None = None
    mode: str | None = None
    class_pixels: tuple[int, ...] = ()
    counted_pixels: tuple[int, ...] = ()
    ignored: int = 0
    off_palette: int = 0
    values: MaskValues = field(default_factory=MaskValues)
    fault: Fault | None = None

    @property
    def off_palette_share(self) -> float:
        """Share of the pixels whose colour or id no class has."""
        return self.off_palette / max(1, sum(self.class_pixels) + self.ignored + self.off_palette)


@dataclass(frozen=True)
class SurveyedTile:
    """What the files of a tile hold; `mask` is None where there is no mask file."""

    name: str
    image: SurveyedImage
    mask: SurveyedMask | None


def survey(
    reader: TileReader, names: Sequence[str], counted: "Mapping[str, CountedOnce] | None" = None
) -> list[SurveyedTile]:
    """Decode every image and mask once, in threads; a file that cannot be used becomes a fault of its tile.

    Args:
        reader: of the files.
        names: of the tiles.
        counted: which pixels a tile counts, by its name; tiles that are not there count all of theirs.
    """

    def look_at(name: str) -> SurveyedTile:
        image, once = _survey_image(reader, name), (counted or {}).get(name)
        mask = _survey_mask(reader, name, image.size, once) if reader.has_mask(name) else None
        return SurveyedTile(name, image, mask)

    return in_threads(look_at, names, "checking files", "tile")


def lenient_reader(description: Description, data_dir: Path, names: Sequence[str]) -> TileReader:
    """A reader whose tile size is the description's, or else the size of the first image whose header can be read."""
    size = description.tile_size
    reader = TileReader(description, data_dir, (size or 0, size or 0))
    for name in () if size else names:
        try:
            return replace(reader, tile_size=reader.image_header(name).size)
        except DataError:
            continue
    return reader


def _survey_image(reader: TileReader, name: str) -> SurveyedImage:
    path = reader.image_path(name)
    if not path.is_file():
        return SurveyedImage(fault=Fault("missing", path, f"{path} is missing"))
    found = SurveyedImage()
    try:
        header = reader.image_header(name)
        found = SurveyedImage(header.size, header.mode, orientation=_orientation(header))
        pixels = reader.image(name)
    except DataError as error:
        fits = found.size is None or reader.description.tile_size or found.size == reader.tile_size
        return replace(found, fault=Fault("unreadable" if fits else "size", path, str(error)))
    is_plain = bool((pixels == pixels[0, 0]).all())
    return replace(found, digest=None if is_plain else hashlib.blake2b(pixels.tobytes(), digest_size=16).hexdigest())


def _orientation(header: ImageHeader) -> Orientation:
    if header.is_turned:
        return "turned"
    return "upright" if header.orientation == UPRIGHT else "as stored"


def _survey_mask(reader: TileReader, name: str, image_size: Size | None, counted: "CountedOnce | None") -> SurveyedMask:
    path, description = reader.mask_path(name), reader.description
    found = SurveyedMask()
    try:
        header = image_file_header(path, description.exif, for_mask=True)
        found = SurveyedMask(header.size, header.mode)
        ids, off_palette, values = decode_mask(read_mask(path, description, reader.palettes), description)
    except DataError as error:
        return replace(found, fault=Fault("unreadable", path, str(error)))
    counts = count_classes(ids, 256).tolist()
    once = count_classes(ids if counted is None else counted_once(ids, name, counted), description.num_classes)
    off = round(off_palette * ids.size)
    if image_size and (reason := misfit(path, header.size, image_size, description.size_tolerance)) is not None:
        found = replace(found, fault=Fault("size", path, reason))
    return replace(
        found,
        class_pixels=tuple(counts[: description.num_classes]),
        counted_pixels=tuple(once.tolist()),
        ignored=counts[IGNORE_INDEX] - off,
        off_palette=off,
        values=values,
    )
