"""What QGIS Deepness 0.6 does with a layer and an ONNX file, without QGIS: the same steps in NumPy and onnxruntime.

It needs nothing else, so that it also runs beside the onnxruntime that Deepness pins.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

Classify = Callable[[np.ndarray], np.ndarray]  # tiles (N, S, S, bands) of a layer's values -> class ids (N, S, S)


class DeepnessModel:
    """An ONNX file as Deepness reads it."""

    def __init__(self, model: bytes | Path) -> None:
        import onnxruntime

        content = model if isinstance(model, bytes) else str(model)
        self.session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (given,), (result,) = self.session.get_inputs(), self.session.get_outputs()
        self.batch, self.bands, *self.size = given.shape
        assert len(result.shape) == 4
        assert result.shape[2] == result.shape[3]
        self.classes = result.shape[1]
        stored = self.session.get_modelmeta().custom_metadata_map
        self.metadata = {name: json.loads(value) for name, value in stored.items()}
        names = sorted(self.metadata["class_names"].items(), key=lambda item: int(item[0]))
        assert [int(number) for number, _ in names] == list(range(self.classes))
        assert self.metadata["model_type"] == "Segmentor"
        assert int(self.metadata["seg_small_segment"]) // 2 == 0  # else a median filter of more than a pixel follows
        self.tile_size, self.overlap = int(self.metadata["tile_size"]), int(self.metadata["tiles_overlap"])
        assert self.size == [self.tile_size] * 2
        self._mean, self._std = (np.array(self.metadata[f"standardization_{n}"], np.float32) for n in ("mean", "std"))

    def classify(self, tiles: np.ndarray) -> np.ndarray:
        """Tiles of a layer's values, (N, S, S, bands) -> class ids."""
        images = (np.float32(tiles[..., : self.bands] * 1.0 / 255.0) - self._mean) / self._std
        probabilities = self.session.run(None, {self.session.get_inputs()[0].name: images.transpose(0, 3, 1, 2)})[0]
        probabilities[probabilities < self.metadata["seg_thresh"]] = 0
        return probabilities.argmax(axis=1)

    def map_of(self, layer: np.ndarray, outside: float = 0, batch_size: int = 1) -> np.ndarray:
        """Class ids of a whole layer, as of `stitched`."""
        return stitched(layer, self.tile_size, self.overlap, self.classify, outside, batch_size)


def stitched(
    layer: np.ndarray, tile_size: int, percent: int, classify: Classify, outside: float = 0, batch_size: int = 1
) -> np.ndarray:
    """Class ids of a layer from its tiles, of whose overlap each keeps the half that is nearer to it.

    Args:
        layer: values, shape (H, W, bands).
        tile_size: pixels a side.
        percent: of a tile that the next one covers.
        classify: ids of tiles.
        outside: value of pixels beyond the layer, above it and to its right: its nodata value.
        batch_size: tiles that are classified at once.

    Returns:
        uint8, shape (H, W).
    """
    stride = tile_size - int(tile_size * percent / 100 * 2) // 2
    above, right = (_missing(length, tile_size, stride) for length in layer.shape[:2])
    whole = np.pad(layer, ((above, 0), (0, right), (0, 0)), constant_values=outside)
    result = np.zeros(whole.shape[:2], np.uint8)
    places = list(_places(whole.shape[0], whole.shape[1], tile_size, stride))
    for first in range(0, len(places), batch_size):
        some = places[first : first + batch_size]
        tiles = np.stack([whole[y : y + tile_size, x : x + tile_size] for y, x, *_ in some])
        for (y, x, rows, columns), ids in zip(some, classify(tiles), strict=True):
            result[y + rows.start : y + rows.stop, x + columns.start : x + columns.stop] = ids[rows, columns]
    return result[above:, : layer.shape[1]]


def _missing(length: int, tile_size: int, stride: int) -> int:
    return tile_size - length if length <= tile_size else -(length - tile_size) % stride


def _places(height: int, width: int, tile_size: int, stride: int) -> Iterator[tuple[int, int, slice, slice]]:
    """Top and left of each tile, and which of its rows and columns are kept."""
    for y in range(0, height - tile_size + 1, stride):
        for x in range(0, width - tile_size + 1, stride):
            yield y, x, _kept(y, height, tile_size, stride), _kept(x, width, tile_size, stride)


def _kept(start: int, length: int, tile_size: int, stride: int) -> slice:
    half = (tile_size - stride) // 2
    return slice(half if start > 0 else 0, tile_size - half if start + tile_size < length else tile_size)
