"""A file of four bands of 12 bits: read, run, and compared with torch tile by tile and as QGIS Deepness makes maps.

The file of bytes, any number of tiles at once, is the command's: `tests/tools/test_export.py`.
"""

from functools import partial

import numpy as np
import pytest
import torch

from model.exporting import checking
from model.exporting.checking import Agreement, compare, random_values
from model.trained import Trained
from tests.conftest import patches
from tests.deepness import DeepnessModel, stitched
from tests.model.exporting.exported import (
    FOUR_RECORD,
    assert_old_readers_take,
    exported,
    need_libraries,
    random_network,
    torch_ids,
)
from utils.errors import DataError


@pytest.fixture(scope="module")
def four() -> tuple[Trained, bytes]:
    """Nodata 0; one tile of odd size at once; calibrated."""
    need_libraries()
    trained = random_network(FOUR_RECORD)
    return trained, exported(trained, dynamic_batch=False, temperature=1.7, overlap=40)


def test_the_file_is_one_that_onnxruntime_1_17_reads(four):
    assert_old_readers_take(four[1], [1, 4, 37, 37], [1, 3, 37, 37])


def test_it_computes_what_torch_does(four):
    trained, content = four
    agreement = compare(content, trained, random_values(trained.record.bands, 37, seed=5), 1.7)
    agreement.check()
    assert agreement.difference < 1e-4
    assert agreement.equal == 1


def test_a_temperature_is_inside(four):
    trained, content = four
    values = random_values(trained.record.bands, 37, seed=5)
    calibrated = checking._by_torch(trained, values, 1.7)
    raised = checking._by_torch(trained, values, 1.0) ** (1 / 1.7)
    np.testing.assert_allclose(calibrated, raised / raised.sum(axis=1, keepdims=True), atol=1e-5)
    with pytest.raises(DataError, match=r"does not compute what torch does: largest difference .* nothing was written"):
        compare(content, trained, values, 1.0).check()


def test_deepness_maps_values_of_16_bits_as_torch_does(four):
    """They lie beyond their ranges too, and nodata in a corner and around the layer."""
    trained, content = four
    bands = [patches(seed, (96, 88), [0, 25, 70, 144, 250]) for seed in range(4)]
    layer = np.uint16(16) * np.stack(bands, axis=2) + np.random.default_rng(2).integers(1, 300, (96, 88, 4), np.uint16)
    layer[:30, :25] = 0
    found = DeepnessModel(content).map_of(layer)
    assert (found == stitched(layer, 37, 40, partial(torch_ids, trained))).mean() >= checking.LEAST_EQUAL
    assert np.sort(np.bincount(found.ravel()))[-2] > 2000  # pixels of the second class


def test_a_broken_network_is_refused(four):
    broken = random_network(FOUR_RECORD)
    with torch.inference_mode():
        broken.network.head[0].bias[1] = torch.nan
    agreement = compare(four[1], broken, random_values(FOUR_RECORD.bands, 37), 1.7)
    with pytest.raises(DataError, match="difference of a probability nan"):
        agreement.check()


def test_a_file_that_onnxruntime_cannot_run_is_refused(four):
    trained, content = four
    with pytest.raises(DataError, match=r"onnxruntime \S+ cannot run the exported network"):
        compare(content[: len(content) // 2], trained, random_values(trained.record.bands, 37))


@pytest.mark.parametrize(
    ("difference", "equal", "is_right"),
    [(1e-6, 1.0, True), (0.01, 0.999, True), (0.1, 1.0, False), (0, 0.9, False), (float("nan"), 1.0, False)],
)
def test_what_differs_is_refused(difference, equal, is_right):
    agreement = Agreement(difference, equal)
    if is_right:
        agreement.check()
        return
    with pytest.raises(DataError, match="nothing was written"):
        agreement.check()
