"""The graph of an ONNX file: values of an image's bands in, class probabilities out.

    model = to_onnx(Trained.open("checkpoint", device="cpu", precision="fp32"), metadata)
    Path("model.onnx").write_bytes(model)

IR version 9 and opset 18: onnxruntime 1.17, which QGIS Deepness pins, reads no later IR. All weights are in the file.
"""

import json
import math
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from model.exporting.libraries import require_libraries
from model.exporting.metadata import folds_values
from model.trained import Trained
from utils.errors import DataError
from utils.imagery.bands import Bands
from utils.paths import reason_of

IR_VERSION, OPSET = 9, 18
INPUT, OUTPUT, BATCH = "image", "probabilities", "batch"
_FINITE = 3e38  # below the largest float32; NaN and infinity are not
_NEAR = 5e-7  # relative: what a division by 255 in float32 and a nodata value written as text are off by


class FoldedValues(nn.Module):
    """From values / 255 of any range to what the network sees: bytes of each band's range, normalised; 0 for no data.

    Does what `utils.imagery.ranges.to_uint8` and `utils.imagery.images.network_input` do, bit for bit where values are
    whole numbers of up to 22 bits.
    """

    def __init__(self, bands: Bands) -> None:
        super().__init__()
        self.marks_nodata = bands.nodata is not None
        nodata = bands.nodata  # an infinite one is no data anyway
        self.nodata = float(nodata) / 255 if isinstance(nodata, float | int) and math.isfinite(nodata) else None
        lows = tuple(low for low, _ in bands.ranges)
        factors = tuple(255 / (high - low) for low, high in bands.ranges)
        for name, values in (("low", lows), ("factor", factors), ("mean", bands.mean), ("std", bands.std)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(-1, 1, 1))
        self.low: Tensor
        self.factor: Tensor
        self.mean: Tensor
        self.std: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Values / 255, float32 (N, bands, H, W) -> normalised, the same shape."""
        raw = torch.where(images.isnan(), self.low, images * 255)
        whole = raw.round()
        raw = torch.where((raw - whole).abs() <= _NEAR * raw.abs(), whole, raw)  # as before the division by 255
        stored = ((raw - self.low) * self.factor).clamp(0, 255).round()
        normalised = (stored / 255 - self.mean) / self.std
        return normalised * self._valid(images) if self.marks_nodata else normalised

    def _valid(self, images: Tensor) -> Tensor:
        """1 where there are data, else 0, float32 (N, 1, H, W): see `data.rasters.scene.RasterScene.read`."""
        valid = (images.abs() < _FINITE).all(dim=1, keepdim=True)
        if self.nodata is not None:
            valid = valid & ((images - self.nodata).abs() > _NEAR * abs(self.nodata)).any(dim=1, keepdim=True)
        return valid.float()


class ExportedNetwork(nn.Module):
    """A network with what comes before and after it.

    Args:
        network: normalised images -> logits.
        bands: of its images.
        temperature: that logits are divided by, so that probabilities are calibrated (Guo et al., ICML 2017).
    """

    def __init__(self, network: nn.Module, bands: Bands, temperature: float = 1.0) -> None:
        super().__init__()
        self.before = FoldedValues(bands) if folds_values(bands) else nn.Identity()
        self.network, self.temperature = network, temperature

    def forward(self, images: Tensor) -> Tensor:
        """Standardised as the metadata say, float32 (N, bands, H, W) -> probabilities, float32 (N, classes, H, W)."""
        logits = self.network(self.before(images))
        return (logits if self.temperature == 1 else logits / self.temperature).softmax(dim=1)


def to_onnx(
    trained: Trained, metadata: Mapping[str, str], dynamic_batch: bool = True, temperature: float = 1.0
) -> bytes:
    """The content of an ONNX file.

    Args:
        trained: a network in float32 on the CPU.
        metadata: what `model_metadata` says of it; its tile size is that of the input.
        dynamic_batch: take any number of tiles at once; else one.
        temperature: as of `ExportedNetwork`; the one that the metadata were made with.

    Raises:
        OptionError: a library is missing.
        DataError: torch cannot export the network.
    """
    require_libraries()
    import onnx

    side, bands = json.loads(metadata["tile_size"]), trained.record.bands
    network = ExportedNetwork(trained.network, bands, temperature).eval()
    example = torch.zeros(2 if dynamic_batch else 1, trained.pixels.bands, side, side)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter's own insides
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim(BATCH)},) if dynamic_batch else None,
                external_data=False,
                verbose=False,
            )
        assert program is not None  # dynamo gives one
        model = _plain(program.model_proto)
        if (found := {opset.domain: opset.version for opset in model.opset_import}) != {"": OPSET}:
            raise ValueError(f"it wrote opset {found}, expected {OPSET}")  # its converter only warns where it gives up
        onnx.helper.set_model_props(model, dict(metadata))
        model.doc_string = _described(metadata)
        onnx.checker.check_model(model)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        raise DataError(f"torch {torch.__version__} could not export the network ({reason_of(error)})") from error
    return bytes(model.SerializeToString(deterministic=True))


def _plain(model: Any) -> Any:
    """The model as of `IR_VERSION`, without what the exporter says of its source, paths of this machine among it."""
    model.ir_version = IR_VERSION
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")
    graph.name = "segmentation"
    return model


def _described(metadata: Mapping[str, str]) -> str:
    names = ", ".join(json.loads(metadata["band_names"]))
    return (
        f"{INPUT}: float32 (N, bands, S, S), bands {names}; values as they are in the files, divided by 255, minus "
        f"standardization_mean, over standardization_std. {OUTPUT}: of class_names, float32 (N, classes, S, S)."
    )
