import json
from dataclasses import replace

import pytest

from model.exporting.metadata import folds_values, model_metadata
from utils.imagery.bands import BY_MASK, BYTES, RGB_BANDS, Bands
from utils.imagery.pixels import IMAGENET_MEAN, IMAGENET_STD
from utils.runs.record import RunRecord

FOUR = Bands(
    ("blue", "green", "red", "nir"), (1, 2, 3, 4), ((0.0, 3000.0),) * 4, (0.3,) * 4, (0.2,) * 4, (2, 1, 0), 10.0, 0.0
)
RECORD = RunRecord("tiny", ("field", "forêt", "water"), ((1, 2, 3),) * 3, (64, 64))


def read(metadata: dict[str, str]) -> dict[str, object]:
    return {name: json.loads(value) for name, value in metadata.items()}


def test_bytes_are_normalised_by_whoever_reads_the_metadata():
    values = read(model_metadata(RECORD, 64, 25))
    assert values["model_type"] == "Segmentor"
    assert values["class_names"] == {"0": "field", "1": "forêt", "2": "water"}
    assert (values["tile_size"], values["tiles_size"], values["tiles_overlap"]) == (64, 64, 25)
    assert (values["standardization_mean"], values["standardization_std"]) == ([*IMAGENET_MEAN], [*IMAGENET_STD])
    assert (values["seg_thresh"], values["seg_small_segment"]) == (0, 0)
    assert "resolution" not in values


def test_what_the_graph_folds_is_not_done_twice():
    values = read(model_metadata(replace(RECORD, bands=FOUR), 64, 25, temperature=1.5))
    assert (values["standardization_mean"], values["standardization_std"]) == ([0] * 4, [1] * 4)
    assert values["band_names"] == ["blue", "green", "red", "nir"]
    assert (values["value_ranges"], values["nodata"]) == ([[0, 3000]] * 4, 0)
    assert values["temperature"] == 1.5


@pytest.mark.parametrize(("known", "given", "centimetres"), [(10.0, None, 1000), (10.0, 0.3, 30), (None, 0.255, 25.5)])
def test_the_resolution_is_in_centimetres(known, given, centimetres):
    record = replace(RECORD, bands=replace(FOUR, metres_per_pixel=known))
    assert read(model_metadata(record, 64, 25, given))["resolution"] == centimetres


@pytest.mark.parametrize(
    ("bands", "folds"),
    [
        (RGB_BANDS, False),
        (replace(FOUR, ranges=(BYTES,) * 4, nodata=BY_MASK), False),
        (replace(FOUR, ranges=(BYTES,) * 4), True),
        (replace(FOUR, nodata=None), True),
    ],
)
def test_ranges_and_nodata_values_are_folded(bands: Bands, folds: bool):
    assert folds_values(bands) is folds
