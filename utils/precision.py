"""Which number format the networks run in; losses stay in float32."""

import torch

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(precision: str, device: torch.device) -> str:
    """What `auto` means here: bf16 where the device multiplies it in hardware, else fp32."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which networks run at `fp32`, `bf16` or `fp16`."""
    return torch.autocast(device.type, dtype=_DTYPES[precision], enabled=precision != "fp32")
