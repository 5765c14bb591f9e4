"""Loading weights into networks: whole or not at all, with a line that says what was loaded."""

import re
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from model.networks.bands import RGB, first_convolution, weights_for_bands
from model.networks.names import BACKBONES
from model.weights.files import read_state_dict, read_weight_file
from model.weights.matching import describe, fits, is_generator_checkpoint, mismatch, num_classes, resnet_of
from model.weights.reasons import README, weights_error
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
        left_new: names of the network's last layer, where the file has none or another.
        taken_for: names of the bands that a file which does not say its own is taken to be for.
    """

    loaded: int
    expected: int
    skipped: tuple[str, ...]
    source: str
    part: str = "network"
    counters_at_zero: int = 0
    fits_bands: bool = False
    left_new: tuple[str, ...] = ()
    taken_for: tuple[str, ...] = ()

    def __str__(self) -> str:
        line = f"{self.source}: {self.loaded} of {self.expected} {self.part} tensors loaded"
        if self.skipped:
            line += f"; not used: {first_names(self.skipped, 6)}"
        if self.counters_at_zero:
            line += f"; {self.counters_at_zero} num_batches_tracked not in the file, left at zero"
        if self.fits_bands:
            line += "; the first convolution was fitted to the bands"
        if self.left_new:
            line += f"; new, as the file has no such layer: {', '.join(self.left_new)}"
        if self.taken_for:
            line += (
                f"; the file does not say its bands and is taken to be for {', '.join(self.taken_for)}, in this order"
            )
        return line


def load_backbone(
    backbone: nn.Module, path: Path | str, bands: Sequence[str] = RGB, may_stay_new: tuple[str, ...] = ()
) -> LoadReport:
    """Load weights under torchvision's names into a backbone of the same names: every tensor, or none.

    The names may begin with `backbone.`, `encoder.` or `encoder_q.` (MoCo). A classifier (`fc.*`, `classifier.*`),
    auxiliary heads and what MoCo keeps beside its encoder are not used; `num_batches_tracked`, absent before 2018, may
    be missing.

    Args:
        backbone: torchvision's network, with or without its classifier; unchanged if an error is raised.
        path: the weight file.
        bands: names of the backbone's bands; where they are not the three of the file, its first convolution is
            widened or narrowed, see `weights_for_bands`.
        may_stay_new: beginnings of names of the network's last layer, which stays as it is where the file has none, or
            one of another shape.

    Returns:
        What was loaded and what was not used.

    Raises:
        DataError: the file cannot be read, or a tensor is missing, unknown, of another shape or not finite.
        OptionError: the path does not exist.
    """
    path, own = Path(path), backbone.state_dict()
    tensors, told = read_weight_file(path)
    first = f"{first_convolution(backbone)[0]}.weight"
    inner, others = _without_prefix(tensors, own, first)
    found = {_present_name(name, own): tensor for name, tensor in inner.items()}
    is_fitted = _fit_bands(backbone, found, bands)
    left_new = _other_last_layer(own, found, may_stay_new)
    skipped = [name for name in found if name in left_new or (name.startswith(_NOT_NEEDED) and name not in own)]
    counters = [name for name in own if name.endswith(".num_batches_tracked") and name not in found]
    weights = {name: tensor for name, tensor in found.items() if name not in skipped}
    _refuse_misfit(path, tensors, own, weights, [*counters, *left_new], first, bands)
    _require_finite(path, weights)
    own.update(weights)  # in place: it carries the version that some networks ask for
    backbone.load_state_dict(own)
    num_loaded = len(own) - len(counters) - len(left_new)
    is_said = told is not None or is_fitted or tuple(name.lower() for name in bands) == RGB
    return LoadReport(
        num_loaded,
        num_loaded,
        (*skipped, *others),
        path.name,
        "backbone",
        len(counters),
        is_fitted,
        tuple(left_new),
        () if is_said else tuple(bands),
    )


def _refuse_misfit(
    path: Path,
    tensors: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
    optional: Collection[str],
    first: str,
    bands: Sequence[str],
) -> None:
    """Refuse weights that do not fill a backbone; of those that only see other bands, say so.

    Raises:
        DataError: says what was found, what was expected, and what to use.
    """
    misfit = mismatch(own, weights, optional)
    if not misfit:
        return
    theirs = weights[first].shape[1] if first in weights and weights[first].ndim > 1 else len(bands)
    if theirs != len(bands) and not mismatch(own, {**weights, first: own[first]}, optional):
        found, expected = f"weights for images of {theirs} bands", f"{len(bands)} bands ({', '.join(bands)})"
        raise weights_error(path, found, expected, "use weights of these bands, or make some with tools/pretrain.py")
    fitting = BACKBONES.get((resnet_of(own) or "").lower().replace("-", "")) or "the ImageNet weights of this network"
    raise weights_error(path, describe(tensors), f"{describe(own)}: {misfit}", f"use {fitting} ({README})")


_PREFIXES = ("encoder_q.", "encoder.", "backbone.")  # of a network within one that was trained
_BESIDE = ("encoder_k.", "queue", "projector.", "predictor.")  # what lies beside it: MoCo's, and heads


def _without_prefix(
    tensors: Mapping[str, Tensor], own: Container[str], first: str
) -> tuple[Mapping[str, Tensor], list[str]]:
    """Tensors under the names of the backbone, and names of those that are known to lie beside it."""
    for prefix in () if first in tensors else _PREFIXES:
        if prefix + first in tensors:
            beside = [name for name in tensors if not name.startswith(prefix) and name.startswith(_BESIDE)]
            inner = {n.removeprefix(prefix): tensor for n, tensor in tensors.items() if n not in set(beside)}
            return inner, beside
    return tensors, []


def _other_last_layer(
    own: Mapping[str, Tensor], found: Mapping[str, Tensor], may_stay_new: tuple[str, ...]
) -> list[str]:
    """Names of a last layer that a file does not fill."""
    last = [name for name in own if may_stay_new and name.startswith(may_stay_new)]
    return [] if all(name in found and fits(own[name], found[name]) for name in last) else last


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
    misfit = mismatch(own, found)
    if misfit:
        remedy = "use a checkpoint saved from this network"
        if is_generator_checkpoint(own) and num_classes(found) not in (None, num_classes(own)):
            remedy = f"use a checkpoint of {num_classes(own)} classes, or the dataset this one was trained on"
        raise weights_error(path, describe(found), f"{describe(own)}: {misfit}", remedy)
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
