"""What images and settings of maps have to be for what is asked of them; all is checked before the first map."""

from collections.abc import Sequence

from data.maps.images import MapImage
from data.maps.settings import MapOutputs
from utils.errors import DataError
from utils.settings import SettingsError


def check_outputs(outputs: MapOutputs, images: Sequence[MapImage], classes: Sequence[str], overwrite: bool) -> None:
    """Refuse polygons and adjusted areas that there cannot be.

    Args:
        outputs: what is to be written.
        images: of which there will be maps; those that cannot be opened are left to whoever reads them.
        classes: names of the network's, in the order of their ids.
        overwrite: whether a file of polygons may be replaced.

    Raises:
        SettingsError: an image has no place, or a file of polygons is there.
        DataError: the accuracy cannot be used, or is of other classes.
    """
    if outputs.polygons is not None:
        if outputs.polygons.exists() and not (overwrite and outputs.polygons.is_file()):
            raise SettingsError("{polygons} {} is there; give another name, or {overwrite}", outputs.polygons)
        _check_places(images, outputs.min_area)
    if outputs.accuracy is not None:
        from utils.evaluation.areas import adjusted_areas_of_summary

        adjusted_areas_of_summary(outputs.accuracy, dict.fromkeys(classes, 1.0), resamples=1)
        if all(image.read_as_filed is not None for image in images):
            raise SettingsError("{accuracy} adjusts areas, and no image has a place; leave it out")


def _check_places(images: Sequence[MapImage], min_area: float) -> None:
    from data.maps.vectors.polygons import why_no_polygons  # with GDAL
    from data.rasters.scene import RasterScene

    for image in images:
        try:
            with RasterScene.open(image.path) as scene:
                fault = why_no_polygons(scene.place, min_area)
        except DataError:
            continue
        if fault is None and image.read_as_filed is not None:
            fault = "is mapped as a picture, without a place"
        if fault is not None:
            raise SettingsError(f"{{polygons}}: {{}} {fault}; leave out the image, or {{polygons}}", image.path)
