"""Writing maps while the next strip is computed."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from data.maps.folder import MapFolder, OpenMap
from data.maps.images import MapImage
from utils.compute import distributed
from utils.console import say
from utils.evaluation.strips import MapStrip
from utils.runs.background import BackgroundWriter

if TYPE_CHECKING:  # with GDAL
    from data.maps.vectors.polygons import PolygonFile


class WritingMaps:
    """Writes strips as they come, in a thread; a context manager, at the end of which all is written.

    Where its block ends with an error, the map under way leaves nothing behind, and polygons are not written. Of
    several processes the main one writes.

    Args:
        folder: of the maps.
    """

    def __init__(self, folder: MapFolder) -> None:
        self._folder, self._thread = folder, BackgroundWriter()
        self._open: OpenMap | None = None
        self._polygons: PolygonFile | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._thread.wait()
                if self._polygons is not None:
                    self._polygons.finish()
        finally:
            self._thread.end()  # before what it writes is removed
            self._discard()
            self._opened.close()

    def begin_with(self, images: Sequence[MapImage], record: Mapping[str, Any]) -> None:
        """As of the folder: make room for the maps of `images`; a second call changes nothing."""
        if not distributed.is_main():
            return
        path = self._folder.target.outputs.polygons
        if path is not None and self._polygons is None:
            self._polygons = self._opened.enter_context(self._polygon_file(path))
        self._folder.begin_with(images, record)

    def write(self, image: MapImage, strip: MapStrip) -> None:
        """Write the next strip of an image.

        Raises:
            OptionError: the folder cannot be written.
            DataError: the disk is full.
        """
        if distributed.is_main():
            self._thread.submit(partial(self._write, image, strip))

    def discard(self) -> None:
        """Give up the map under way: the rest of its image cannot be read."""
        if distributed.is_main():
            self._thread.submit(self._discard)

    def _write(self, image: MapImage, strip: MapStrip) -> None:
        if self._open is None:
            self._open = self._folder.map_of(image)
        self._open.write(strip)
        if strip.is_last:
            self._open.finish()
            self._folder.add(image, self._open)
            self._add_polygons(image)
            self._open = None

    def _polygon_file(self, path: Path) -> "PolygonFile":
        from data.maps.vectors.polygons import PolygonFile  # with GDAL

        target = self._folder.target
        return PolygonFile(path, target.classes, target.colours, target.outputs.min_area)

    def _add_polygons(self, image: MapImage) -> None:
        outputs, path = self._folder.target.outputs, getattr(self._open, "path", None)
        if self._polygons is None or path is None:
            return
        from data.maps.areas import SQUARE_METRES  # with GDAL

        count = self._polygons.add(image.name, path)
        smaller = ""
        if count.dropped:
            hectares = count.dropped_square_metres / SQUARE_METRES
            smaller = f"; {count.dropped} below {outputs.min_area:g} m² left out, {hectares:.4g} ha in all"
        say(f"{image.name}: {count.written} polygons{smaller}")

    def _discard(self) -> None:
        if self._open is not None:
            self._open.discard()
            self._open = None
