"""What a scene has to be before it is cut: large enough, with data, with a CRS where one is needed, of one scale."""

from collections.abc import Sequence

from data.rasters.places.place import Place, differs
from data.rasters.scene import RasterScene
from data.rasters.windowed import WindowedScene
from utils.errors import DataError

_PIECE = 1 << 20  # pixels that are looked at together


def require_size(scene: WindowedScene, tile_size: int) -> None:
    """Refuse a scene smaller than a tile.

    Raises:
        DataError: says the sizes.
    """
    height, width = scene.size
    if min(height, width) < tile_size:
        raise DataError(
            f"{scene.path} is {height}×{width}, smaller than a tile of {tile_size}×{tile_size}; "
            f"lower --tile-size to {min(height, width)}, or leave the image out"
        )


def require_crs(scene: WindowedScene, purpose: str) -> Place:
    """A scene's place with its CRS.

    Args:
        scene: the scene.
        purpose: what needs it, for the message, such as "polygons are brought onto its grid".

    Raises:
        DataError: it has none.
    """
    if scene.place is None:
        raise DataError(f"{scene.path} has no place on the earth, but {purpose}; georeference it, such as in QGIS")
    if not scene.place.crs:
        raise DataError(
            f"{scene.path} has a transform but no CRS, but {purpose}; "
            "assign the one it is in: gdal_translate -a_srs EPSG:CODE"
        )
    return scene.place


def has_data(scene: WindowedScene, bands: Sequence[int]) -> bool:
    """Whether any pixel is data; reading ends with the first one.

    Raises:
        DataError: the file is damaged.
    """
    if not scene.may_lack_data(bands):
        return True
    height, width = scene.size
    rows, columns = _piece(scene)
    return any(
        scene.read(top, left, min(rows, height - top), min(columns, width - left), bands)[1].any()
        for top in range(0, height, rows)
        for left in range(0, width, columns)
    )


def _piece(scene: WindowedScene) -> tuple[int, int]:
    """Height and width of whole blocks of about a million pixels."""
    height, width = scene.block_size
    columns = max(1, min(-(-scene.size[1] // width), _PIECE // (height * width) or 1))
    rows = max(1, _PIECE // (height * width * columns))
    return height * rows, width * columns


def require_data(scene: WindowedScene, bands: Sequence[int]) -> None:
    """Refuse a scene without a pixel that is data.

    Raises:
        DataError: it is one, or it is damaged.
    """
    if not has_data(scene, bands):
        declared = "" if scene.nodata is None else f" (declared as {scene.nodata:g})"
        raise DataError(f"{scene.path} holds no data: every pixel is nodata{declared}; leave it out")


def require_scale(scene: WindowedScene, run_mpp: float | None) -> None:
    """Refuse a scene whose metres per pixel are more than 20 % from a run's.

    Raises:
        DataError: says both.
    """
    found = scene.metres_per_pixel
    if differs(run_mpp, found):
        raise DataError(
            f"{scene.path} has {found:.4g} m per pixel, the run {run_mpp:.4g}; they may differ by 20 %, "
            "so resample the scene to the run's"
        )


def is_plain(scene: RasterScene) -> bool:
    """Whether an ordinary image decoder reads all that a scene holds: a picture with data everywhere."""
    return is_picture(scene) and not scene.may_lack_data([band.index for band in scene.bands if not band.is_mask])


def is_picture(scene: RasterScene) -> bool:
    """Whether a scene is a picture: 8 bits, grey, RGB or with a palette, without a place."""
    interpretations = [band.interpretation for band in scene.bands if not band.is_mask]
    return (
        scene.driver != "VRT"
        and scene.place is None
        and scene.dtype == "uint8"
        and all(band.bits == 8 for band in scene.bands)
        and interpretations in (["gray"], ["palette"], ["red", "green", "blue"])
    )
