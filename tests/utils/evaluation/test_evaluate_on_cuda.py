"""Evaluation, views, windows and the CRF beside a CUDA device that is not there.

`tests/fake_cuda.py` says what of it stays a stub. The CRF runs on the CPU, in numpy: what is held to here is where its
maps come from and go to.
"""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.networks.deeplabv2 import DeepLabV2
from tests.fake_cuda import CUDA, fake_cuda, nothing_waits, output_types
from tests.plain_s4gan import Batch
from utils.compute.device import place
from utils.compute.precision import keep_convolutions_in
from utils.evaluation import evaluate as evaluate_module
from utils.evaluation import large_tiles
from utils.evaluation.evaluate import evaluate
from utils.evaluation.metric import ConfusionMatrix
from utils.evaluation.settings import ViewSettings
from utils.evaluation.views import PLAIN, predict_probabilities
from utils.evaluation.windows import ArrayImage, Windows, classified_pieces, strips_of

C = 4
BATCH = Batch(
    torch.zeros(2, 3, 32, 32, dtype=torch.uint8),
    torch.full((2, 32, 32), 255, dtype=torch.uint8),
    torch.tensor([(24, 28)] * 2),
)
VIEWS = ViewSettings((0.5, 1.0), flip=True)
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


@pytest.fixture(autouse=True)
def device(monkeypatch):
    with fake_cuda(monkeypatch):
        yield


@pytest.fixture
def read(monkeypatch):
    """What evaluation reads of the device: whether maps are broken."""
    values = []

    def read_bool(value: Tensor) -> bool:
        values.append(value.device)
        return False

    monkeypatch.setattr(evaluate_module, "bool", read_bool, raising=False)
    return values


def network_in(precision: str) -> DeepLabV2:
    network = DeepLabV2(C, "tiny").eval().requires_grad_(False)
    keep_convolutions_in(precision, network)
    return place(network, CUDA)


@pytest.mark.parametrize(("precision", "views"), [("fp32", PLAIN), ("bf16", VIEWS), ("fp16", PLAIN)])
def test_evaluation_waits_for_the_device_at_its_end_alone(read, precision, views):
    network = network_in(precision)
    seen = output_types(network, nn.Conv2d)
    with nothing_waits():
        matrices, _ = evaluate(network, [BATCH, BATCH], C, CUDA, precision, views=views)
    assert seen == {"Conv2d": {DTYPES[precision]}}
    assert (matrices.tiles.device, tuple(matrices.tiles.shape)) == (CUDA, (4, C, C))
    assert read == [CUDA]  # of two batches


def test_so_it_does_with_masks_on_grids_of_their_own(read):
    masks = [torch.zeros(48, 56, dtype=torch.uint8), torch.zeros(24, 20, dtype=torch.uint8)]
    network = network_in("bf16")
    with nothing_waits():
        matrices, _ = evaluate(network, [BATCH], C, CUDA, "bf16", masks_of=lambda _: masks)
    assert tuple(matrices.tiles.shape) == (2, C, C)
    assert read == [CUDA]


def test_probabilities_of_views_are_float32_on_the_device():
    network = network_in("bf16")
    with nothing_waits(), torch.inference_mode():
        probabilities = predict_probabilities(network, BATCH, CUDA, "bf16", VIEWS)
    assert (probabilities.dtype, probabilities.device, tuple(probabilities.shape)) == (
        torch.float32,
        CUDA,
        (2, C, 24, 28),
    )


def test_the_crf_gets_probabilities_of_the_device_and_may_give_them_back_on_the_cpu(read):
    given = []

    def refine(probabilities: Tensor, images: Tensor) -> Tensor:
        given.append((probabilities.device.type, probabilities.dtype, images.device.type, tuple(images.shape)))
        return probabilities.cpu()

    _, refined = evaluate(network_in("bf16"), [BATCH], C, CUDA, "bf16", refine=refine)
    assert given == [("cuda", torch.float32, "cpu", (2, 3, 24, 28))]
    assert refined.tiles.device == CUDA


def test_a_confusion_matrix_never_waits_for_the_device():
    matrix = ConfusionMatrix(C, CUDA)
    truth, prediction = (
        torch.zeros(4, 4, dtype=torch.uint8, device=CUDA),
        torch.zeros(4, 4, dtype=torch.int64, device=CUDA),
    )
    with nothing_waits():
        matrix.update(truth, prediction)
    assert matrix.counts.device == CUDA


def test_strips_of_windows_are_made_on_the_device():
    image = np.zeros((32, 32, 3), np.uint8)
    plan = Windows((24, 16), overlap=0.5).plan((32, 32))
    classify = partial(predict_probabilities, network_in("bf16"), device=CUDA, precision="bf16")
    with torch.inference_mode():
        strips = strips_of(classified_pieces(ArrayImage(image), plan, classify, 4), 32, lambda maps: maps)
        tops, parts = zip(*strips, strict=True)
    assert tops == (0, 16)
    assert {(part.dtype, part.device) for part in parts} == {(torch.float32, CUDA)}
    assert sum(part.shape[1] for part in parts) == 32


def test_large_tiles_are_counted_without_waiting_for_the_device(read, monkeypatch):
    tile = ArrayImage(np.zeros((24, 28, 3), np.uint8))  # fake tensors, as batches are in here, make no arrays
    monkeypatch.setattr(large_tiles, "tile_image", lambda batch, index: tile)
    network = network_in("bf16")
    with nothing_waits():
        matrices, _ = evaluate(network, [BATCH], C, CUDA, "bf16", windows=Windows((16, 16)))
    assert (matrices.tiles.device, tuple(matrices.tiles.shape)) == (CUDA, (2, C, C))
    assert read == [CUDA]
