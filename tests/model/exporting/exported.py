"""Tiny networks to export, of random weights whose maps are not of one class."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from model.exporting.checking import valid_by_value
from model.exporting.graph import to_onnx
from model.exporting.libraries import LIBRARIES
from model.exporting.metadata import model_metadata
from model.trained import Trained
from tests.model.exporting.test_metadata import FOUR, RECORD
from utils.imagery.images import network_input
from utils.imagery.pixels import VALID
from utils.imagery.ranges import Ranges, to_uint8
from utils.runs.record import RunRecord

RGB_RECORD = replace(RECORD, tile_size=(48, 48))
FOUR_RECORD = replace(RECORD, tile_size=(37, 37), bands=FOUR)


def need_libraries() -> None:
    """Skip the test where a library is missing."""
    for name in LIBRARIES:
        pytest.importorskip(name, reason="requirements-export.txt is not installed (make setup-export)")


def random_network(record: RunRecord) -> Trained:
    trained = Trained(record, "cpu", "fp32")
    generator = torch.Generator().manual_seed(3)
    with torch.inference_mode():
        for parameter in trained.network.parameters():
            if parameter.ndim == 4:  # as of Kaiming, but the same each time
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
        logits = trained.network(torch.randn(1, trained.pixels.bands, 64, 64, generator=generator))
        trained.network.head[0].bias -= logits.mean(dim=(0, 2, 3))
        for classifier in trained.network.head:
            classifier.weight *= 3 / logits.std()
            classifier.bias *= 3 / logits.std()
    return trained


def exported(trained: Trained, dynamic_batch: bool = True, temperature: float = 1.0, overlap: int = 25) -> bytes:
    size = trained.record.tile_size
    assert size is not None
    metadata = model_metadata(trained.record, size[0], overlap, temperature=temperature)
    return to_onnx(trained, metadata, dynamic_batch, temperature)


@torch.inference_mode()
def torch_ids(trained: Trained, tiles: np.ndarray) -> np.ndarray:
    """Class ids of tiles as the network sees them in evaluation.

    Args:
        trained: the network.
        tiles: values of a file, (N, S, S, bands).
    """
    bands = trained.record.bands
    stored = np.stack([to_uint8(tile.transpose(2, 0, 1), Ranges(bands.ranges)) for tile in tiles])
    if trained.pixels.has_validity:
        valid = np.where(valid_by_value(tiles.transpose(0, 3, 1, 2), bands.nodata), VALID, 0).astype(np.uint8)
        stored = np.concatenate([stored, valid[:, None]], axis=1)
    sizes = torch.tensor([stored.shape[2:]] * len(stored))
    inputs = network_input(torch.from_numpy(stored), sizes, trained.device, trained.pixels)
    return trained.network(inputs).argmax(dim=1).numpy()


def assert_old_readers_take(content: bytes, given: list[object], result: list[object]) -> None:
    """A file of one piece that onnxruntime 1.17 reads, of these shapes, with nothing of this machine in it."""
    import onnx

    model = onnx.load_from_string(content)
    assert model.ir_version == 9
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert [_shape(value) for value in (*model.graph.input, *model.graph.output)] == [given, result]
    onnx.checker.check_model(model, full_check=True)
    assert b".py" not in content
    assert b"stack_trace" not in content


def _shape(value: Any) -> list[object]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
