"""Whether an ONNX file computes what the network does: onnxruntime against torch, on the same values of a file."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from model.exporting.graph import INPUT
from model.exporting.libraries import require_libraries
from model.trained import Trained
from utils.errors import DataError
from utils.imagery.bands import BYTES, Bands
from utils.imagery.images import network_input
from utils.imagery.pixels import VALID
from utils.imagery.ranges import Ranges, to_uint8
from utils.paths import reason_of

MOST_DIFFERENT = 0.01  # of a probability
LEAST_EQUAL = 0.999  # share of pixels
_PATCH = 16
_WHOLE = 16  # where a range reaches this, random values are whole numbers: a byte may be finer than float32 is there


@dataclass(frozen=True)
class Agreement:
    """How far two networks agree.

    Attributes:
        difference: the largest one of two probabilities; NaN where one of them is.
        equal: share of pixels with the same likeliest class.
    """

    difference: float
    equal: float

    def __str__(self) -> str:
        return f"largest difference of a probability {self.difference:.1e}, same class in {self.equal:.3%} of pixels"

    def check(self) -> None:
        """Refuse what differs.

        Raises:
            DataError: by more than `MOST_DIFFERENT`, or in more pixels than `LEAST_EQUAL` leaves.
        """
        if not (self.difference <= MOST_DIFFERENT and self.equal >= LEAST_EQUAL):  # NaN is neither
            raise DataError(
                f"the exported network does not compute what torch does: {self}, expected at most {MOST_DIFFERENT:g} "
                f"and at least {LEAST_EQUAL:.1%}; nothing was written"
            )


def random_values(bands: Bands, side: int, seed: int = 0) -> np.ndarray:
    """Two tiles as files might hold them: noise and patches, a tenth of a range beyond its ends, nodata in a corner.

    Returns:
        Values, float32 (2, bands, S, S).
    """
    rng = np.random.default_rng(seed)
    small = -(-side // _PATCH)
    patches = rng.random((len(bands.names), small, small), np.float32).repeat(_PATCH, 1).repeat(_PATCH, 2)
    shares = np.stack([rng.random((len(bands.names), side, side), np.float32), patches[:, :side, :side]])
    values = np.empty(shares.shape, np.float32)
    for band, (low, high) in enumerate(bands.ranges):
        margin = 0.0 if (low, high) == BYTES else 0.1 * (high - low)
        drawn = low - margin + shares[:, band] * (high - low + 2 * margin)
        values[:, band] = np.rint(drawn) if max(-low, high) >= _WHOLE else drawn
    if isinstance(bands.nodata, float | int):
        values[:, :, : side // 4, : side // 4] = bands.nodata
    return values


def valid_by_value(values: np.ndarray, nodata: float | str | None) -> np.ndarray:
    """Where values are data, as far as they alone tell: a file's mask is not known here.

    Args:
        values: of the bands, shape (..., bands, H, W).
        nodata: as of `utils.imagery.bands.Bands`.

    Returns:
        bool, shape (..., H, W).
    """
    valid: np.ndarray = np.isfinite(values).all(axis=-3)
    if isinstance(nodata, float | int):
        valid &= ~np.isclose(values, nodata, rtol=2.5e-7, atol=0).all(axis=-3)
    return valid


def compare(model: bytes, trained: Trained, values: np.ndarray, temperature: float = 1.0) -> Agreement:
    """Run an exported network in onnxruntime, and the network that it was made of in torch.

    Args:
        model: content of the ONNX file.
        trained: the network.
        values: of the bands as files hold them, of any type, shape (N, bands, S, S).
        temperature: as of `model.exporting.graph.ExportedNetwork`.

    Raises:
        OptionError: a library is missing.
        DataError: onnxruntime cannot run the model.
    """
    found, expected = _by_onnxruntime(model, values), _by_torch(trained, values, temperature)
    differences, equal = np.abs(found - expected), found.argmax(axis=1) == expected.argmax(axis=1)
    return Agreement(float(differences.max()), float(equal.mean()))


def _by_onnxruntime(model: bytes, values: np.ndarray) -> np.ndarray:
    require_libraries()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        standardised = standardise(values, session.get_modelmeta().custom_metadata_map)
        takes_any = isinstance(session.get_inputs()[0].shape[0], str)
        batches = [standardised] if takes_any else [tile[None] for tile in standardised]
        return np.concatenate([session.run(None, {INPUT: batch})[0] for batch in batches])
    except MemoryError:
        raise
    except Exception as error:  # it has no class of its own for all of its errors
        raise DataError(
            f"onnxruntime {onnxruntime.__version__} cannot run the exported network ({reason_of(error)})"
        ) from error


def standardise(values: np.ndarray, metadata: Any) -> np.ndarray:
    """What an exported network takes: values / 255, standardised as its metadata say; float32."""
    mean, std = (
        np.array(json.loads(metadata[f"standardization_{name}"]), np.float32)[:, None, None] for name in ("mean", "std")
    )
    result: np.ndarray = (np.float32(values / 255) - mean) / std
    return result


@torch.inference_mode()
def _by_torch(trained: Trained, values: np.ndarray, temperature: float) -> np.ndarray:
    bands = trained.record.bands
    stored = np.stack([to_uint8(tile, Ranges(bands.ranges)) for tile in values])
    if trained.pixels.has_validity:
        valid = np.where(valid_by_value(values, bands.nodata), VALID, 0).astype(np.uint8)
        stored = np.concatenate([stored, valid[:, None]], axis=1)
    sizes = torch.tensor([stored.shape[2:]] * len(stored))
    inputs = network_input(torch.from_numpy(stored), sizes, trained.device, trained.pixels)
    probabilities: np.ndarray = (trained.network(inputs) / temperature).softmax(dim=1).numpy()
    return probabilities
