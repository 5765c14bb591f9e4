"""What an ONNX file says of itself: the keys that QGIS Deepness reads, and what others need to feed it.

Deepness 0.6 divides an image's values by 255, whatever their type, then subtracts `standardization_mean` and divides by
`standardization_std`; it cuts tiles of `tile_size` with an overlap of `tiles_overlap` percent, zeroes what lies below
`seg_thresh`, takes the likeliest class and smooths the map where `seg_small_segment` is above 0. Its documentation and
its code differ in the name of the tile size: both are written.
"""

import json
from typing import Any

from utils.imagery.bands import BYTES, Bands
from utils.runs.record import RunRecord


def folds_values(bands: Bands) -> bool:
    """Whether the graph itself brings values into their ranges, tells nodata and normalises.

    It has to where a range is not that of bytes, or a value means no data: the metadata can say neither. Bytes that
    are all data are normalised by whoever reads the metadata.
    """
    return any(pair != BYTES for pair in bands.ranges) or isinstance(bands.nodata, float | int)


def model_metadata(
    record: RunRecord,
    tile_size: int,
    tiles_overlap: int,
    metres_per_pixel: float | None = None,
    temperature: float = 1.0,
) -> dict[str, str]:
    """The `metadata_props` of an exported network; each value is JSON.

    Args:
        record: of its run.
        tile_size: height and width of its input in pixels.
        tiles_overlap: percent of a tile that the next one covers.
        metres_per_pixel: ground size of a pixel; None: as the record says; no `resolution` where nobody does.
        temperature: that the graph divides logits by.
    """
    bands, folded = record.bands, folds_values(record.bands)
    metres = metres_per_pixel or bands.metres_per_pixel
    values: dict[str, Any] = {
        "model_type": "Segmentor",
        "class_names": {str(index): name for index, name in enumerate(record.classes)},
        "tile_size": tile_size,
        "tiles_size": tile_size,
        "tiles_overlap": tiles_overlap,
        "standardization_mean": [0.0] * len(bands.names) if folded else list(bands.mean),
        "standardization_std": [1.0] * len(bands.names) if folded else list(bands.std),
        "seg_thresh": 0.0,  # what lies below becomes class 0
        "seg_small_segment": 0,
        "band_names": list(bands.names),
        "value_ranges": [list(pair) for pair in bands.ranges],
        "nodata": bands.nodata,
        "temperature": temperature,
    }
    if metres is not None:
        values["resolution"] = round(100 * metres, 6)  # centimetres
    return {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
