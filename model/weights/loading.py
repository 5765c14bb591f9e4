"""Loading weights into networks: whole or not at all, with a line that says what was loaded."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from model.networks.bands import RGB, first_convolution, weights_for_bands
from model.networks.names import BACKBONES
from model.weights.files import read_state_dict
from model.weights.reasons import README, shape_text, weights_error
from utils.finite import not_finite
from utils.suggest import first_names


@dataclass(frozen=True)
class LoadReport:
    """What was loaded from a weight file; as text, one line.

    Attributes:
        loaded: tensors copied into the network.
        expected: tensors the file had to provide.
        skipped: names in the file that the network has no use for.
        source: name of the file.
        part: what was filled, "backbone" or "network".
        counters_at_zero: `num_batches_tracked` of the network that a file of 2017 lacks; they keep their value, zero.
        fits_bands: the first convolution was made of one for red, green and blue.
    """

    loaded: int
    expected: int
    skipped: tuple[str, ...]
    source: str
    part: str = "network"
    counters_at_zero: int = 0
    fits_bands: bool = False

    def __str__(self) -> str:
        line = f"{self.source}: {self.loaded} of {self.expected} {self.part} tensors loaded"
        if self.skipped:
            line += f"; not used: {first_names(self.skipped, 6)}"
        if self.counters_at_zero:
            line += f"; {self.counters_at_zero} num_batches_tracked not in the file, left at zero"
        if self.fits_bands:
            line += "; the first convolution was fitted to the bands"
        return line


def load_backbone(backbone: nn.Module, path: Path | str, bands: Sequence[str] = RGB) -> LoadReport:
    """Load torchvision's classification weights into a backbone of the same names: every tensor, or none.

    A classifier (`fc.*`, `classifier.*`) and auxiliary heads that the backbone does not have are not used;
    `num_batches_tracked`, absent before 2018, may be missing.

    Args:
        backbone: torchvision's network without its classifier; unchanged if an error is raised.
        path: the weight file.
        bands: names of the backbone's bands; where they are not the three of the file, its first convolution is
            widened or narrowed, see `weights_for_bands`.

    Returns:
        What was loaded and what was not used.

    Raises:
        DataError: the file cannot be read, or a tensor is missing, unknown, of another shape or not finite.
        OptionError: the path does not exist.
    """
    path = Path(path)
    own = backbone.state_dict()
    found = {_present_name(name, own): tensor for name, tensor in read_state_dict(path).items()}
    is_fitted = _fit_bands(backbone, found, bands)
    skipped = [name for name in found if name.startswith(_NOT_NEEDED) and name not in own]
    counters = [name for name in own if name.endswith(".num_batches_tracked") and name not in found]
    weights = {name: tensor for name, tensor in found.items() if name not in skipped}
    fitting = BACKBONES.get((_resnet(own) or "").lower().replace("-", "")) or "the ImageNet weights of this network"
    mismatch = _mismatch(own, weights, optional=counters)
    if mismatch:
        raise weights_error(path, _describe(found), f"{_describe(own)}: {mismatch}", f"use {fitting} ({README})")
    _require_finite(path, weights)
    own.update(weights)  # in place: it carries the version that some networks ask for
    backbone.load_state_dict(own)
    num_loaded = len(own) - len(counters)
    return LoadReport(num_loaded, num_loaded, tuple(skipped), path.name, "backbone", len(counters), is_fitted)


def _fit_bands(backbone: nn.Module, found: dict[str, Tensor], bands: Sequence[str]) -> bool:
    """Make a first convolution of RGB one of the backbone's bands; whether that was needed."""
    name, convolution = first_convolution(backbone)
    weight = found.get(f"{name}.weight")
    is_rgb = weight is not None and weight.ndim == 4 and weight.shape[1] == len(RGB) and weight.is_floating_point()
    if weight is None or not is_rgb or tuple(name.lower() for name in bands) == RGB:
        return False
    if convolution.in_channels != len(bands):
        return False
    found[f"{name}.weight"] = weights_for_bands(weight, bands)
    return True


_NOT_NEEDED = ("fc.", "classifier.", "aux1.", "aux2.", "AuxLogits.")  # classifiers and auxiliary heads of torchvision
_RENAMED = {  # as torchvision's files have it: as its networks have it now
    r"(denselayer\d+\.(?:norm|conv))\.([12]\.)": r"\1\2",  # DenseNet
    r"\bmlp\.linear_1\.": "mlp.0.",  # vision transformer
    r"\bmlp\.linear_2\.": "mlp.3.",
}


def _present_name(name: str, own: Container[str]) -> str:
    if name in own:
        return name
    renamed = (re.sub(old, new, name) for old, new in _RENAMED.items())
    return next((candidate for candidate in renamed if candidate in own), name)


def load_network(network: nn.Module, path: Path | str) -> LoadReport:
    """Load one of the project's checkpoints into a network: exactly its tensors, or none.

    Args:
        network: generator or discriminator; unchanged if an error is raised.
        path: the checkpoint.

    Returns:
        What was loaded.

    Raises:
        DataError: the file cannot be read, or a tensor is missing, unknown, of another shape or not finite.
        OptionError: the path does not exist.
    """
    found = read_network(network, path)
    network.load_state_dict(found)
    return LoadReport(len(found), len(found), (), Path(path).name)


def read_network(network: nn.Module, path: Path | str) -> dict[str, Tensor]:
    """Read a checkpoint that fits a network exactly, without loading it; another thread may be using the network.

    Returns:
        The network's tensors by name, on the CPU, mapped to the file where its format allows.

    Raises:
        DataError, OptionError: as for `load_network`.
    """
    path = Path(path)
    found = read_state_dict(path)
    own = network.state_dict()
    mismatch = _mismatch(own, found)
    if mismatch:
        remedy = "use a checkpoint saved from this network"
        if is_generator_checkpoint(own) and _num_classes(found) not in (None, _num_classes(own)):
            remedy = f"use a checkpoint of {_num_classes(own)} classes, or the dataset this one was trained on"
        raise weights_error(path, _describe(found), f"{_describe(own)}: {mismatch}", remedy)
    _require_finite(path, found)
    return found


def _require_finite(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Refuse what a diverged training leaves: a network of such values predicts class 0 everywhere."""
    if broken := not_finite(weights):
        raise weights_error(
            path,
            f"{len(broken)} of {len(weights)} tensors hold NaN or infinite values ({first_names(broken)})",
            "finite weights",
            "the training that wrote it has diverged, so use an earlier checkpoint",
        )


def is_generator_checkpoint(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether all names are those of a generator: `backbone.*` and `head.*`."""
    return bool(state_dict) and all(name.startswith(("backbone.", "head.")) for name in state_dict)


def _mismatch(own: Mapping[str, Tensor], found: Mapping[str, Tensor], optional: Iterable[str] = ()) -> str:
    """What keeps a file from filling a network, counted and named; empty if nothing does."""
    missing = [name for name in own if name not in found and name not in set(optional)]
    unknown = [name for name in found if name not in own]
    unequal = [
        f"{name} is {_kind(found[name])} for {_kind(own[name])}"
        for name in own
        if name in found and not _fits(own[name], found[name])
    ]
    problems = {
        f"of {len(own)} tensors missing": missing,
        "of another shape or type": unequal,
        "unknown here": unknown,
    }
    return ", ".join(f"{len(names)} {what} ({first_names(names)})" for what, names in problems.items() if names)


def _fits(own: Tensor, found: Tensor) -> bool:
    plain = found.layout is torch.strided and found.device.type == "cpu" and not found.is_quantized
    same_kind = (own.is_floating_point(), own.is_complex()) == (found.is_floating_point(), found.is_complex())
    return plain and same_kind and own.shape == found.shape


def _describe(state_dict: Mapping[str, Tensor]) -> str:
    """What network a state dict belongs to, as far as its names tell."""
    if is_generator_checkpoint(state_dict):
        backbone = _resnet(name.removeprefix("backbone.") for name in state_dict) or "unknown backbone"
        return f"a generator checkpoint ({backbone}, {_num_classes(state_dict)} classes)"
    resnet = _resnet(state_dict)
    if resnet:
        return f"torchvision's ImageNet weights ({resnet})"
    kernels = {tuple(tensor.shape[2:]) for tensor in state_dict.values() if tensor.ndim == 4}
    if kernels == {(4, 4)}:
        return "a discriminator's checkpoint (…_D.pth)"
    return f"a state dict of {len(state_dict)} tensors ({first_names(state_dict)})"


def _resnet(names: Iterable[str]) -> str | None:
    """The ResNet that names `layer1.0.conv1.weight` … belong to: two layers, and two or three for each block."""
    names = set(names)
    blocks = {match[0] for name in names if (match := re.match(r"layer[1-4]\.\d+\.", name))}
    if "conv1.weight" not in names or not blocks:
        return None
    return f"ResNet-{2 + len(blocks) * (3 if 'layer1.0.conv3.weight' in names else 2)}"


def _num_classes(state_dict: Mapping[str, Tensor]) -> int | None:
    biases = (tensor for name, tensor in state_dict.items() if name.startswith("head.") and name.endswith("bias"))
    return next((len(bias) for bias in biases if bias.ndim == 1), None)


def _kind(tensor: Tensor) -> str:
    words = [shape_text(tensor.shape), tensor.dtype, *([tensor.layout] if tensor.layout is not torch.strided else [])]
    if tensor.device.type == "meta":
        words.append("without values")
    return " ".join(str(word).removeprefix("torch.") for word in words)
