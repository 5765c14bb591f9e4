"""Which number format the networks run in; losses stay in float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from utils.compute.number_formats import NUMBER_FORMATS, PRECISIONS
from utils.fields import known_name

_DTYPES: dict[str, torch.dtype] = {name: getattr(torch, dtype) for name, dtype in NUMBER_FORMATS.items()}


def resolve_precision(precision: str, device: torch.device) -> str:
    """What `auto` means here: bf16 where the device multiplies it in hardware, else fp32.

    Raises:
        SettingsError: it is none of `PRECISIONS`.
    """
    precision = known_name(precision, "precision", PRECISIONS)
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if _cpu_multiplies_bf16() else "fp32"


def _cpu_multiplies_bf16() -> bool:
    if not torch.backends.mkldnn.is_available():
        return False
    if torch.cpu._is_avx512_supported():
        # oneDNN's own answer is yes for any AVX-512; without the bf16 extension it is half as fast as float32.
        return torch.cpu._is_avx512_bf16_supported()
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which networks run at `fp32`, `bf16` or `fp16`."""
    return torch.autocast(device.type, dtype=_DTYPES[precision], enabled=precision != "fp32")


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """Matrix products in whole float32, without autocast and TF32: for numbers that are told apart by last digits."""
    switch = torch.backends.cuda.matmul
    allowed, switch.allow_tf32 = switch.allow_tf32, False
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        switch.allow_tf32 = allowed


def keep_convolutions_in(precision: str, network: nn.Module) -> None:
    """Hold a network's convolutions in the format that `autocast` would bring them to at every call.

    The numbers are the same, with half the memory and without the conversions; for networks that are not trained.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(_DTYPES[precision])
