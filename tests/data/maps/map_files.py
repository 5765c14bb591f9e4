"""Small maps, written strip by strip."""

import numpy as np
import pyproj

from data.maps.writing.raster_map import MapFiles, MapWriter
from data.rasters.places.place import Place

UTM = pyproj.CRS.from_epsg(32640).to_wkt()
NORTH = Place(UTM, (10.0, 0, 500_000, 0, -10.0, 2_700_000))
CLASSES, COLOURS = ("water", 'wood & "<field>"', "Wüste"), ((0, 0, 255), (0, 128, 0), (255, 255, 0))


def ids_of(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Random ids of the three classes, and 255."""
    return np.random.default_rng(seed).choice(np.array([0, 1, 2, 255], np.uint8), size)


def written(
    files: MapFiles,
    ids: np.ndarray,
    place: Place | None = NORTH,
    heights: tuple[int, ...] = (),
    **more: np.ndarray,
) -> MapWriter:
    """Write a map in strips of some heights and then of 7 rows; `more` are confidence and probabilities."""
    tops = [0, *np.cumsum(heights).tolist()]
    tops += range(tops[-1] + 7, len(ids), 7)
    with MapWriter(files, ids.shape, place, CLASSES, COLOURS) as writer:
        for top, end in zip(tops, [*tops[1:], len(ids)], strict=True):
            writer.write(top, ids[top:end], **{key: value[..., top:end, :] for key, value in more.items()})
        writer.finish()
    return writer
