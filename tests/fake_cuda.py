"""A CUDA device that is not there: shapes, number formats, strides and devices of every operation, without numbers.

Inside `fake_cuda` tensors are torch's fake ones, which hold no numbers: networks that are placed on `cuda:0` run their
forward pass on a CPU as far as all checks before the kernels go, autocast and gradient scaler really on. Whatever would
make the host wait for the device ends with an error: reading a number (`.item()`, `bool()`, `nonzero()`, `bincount`,
indexing with a mask) by torch's own means, copies between the two memories by `_Watch`.

What stays a stub:

- kernels: no number is computed, and no CUDA library is called; cuDNN's choice, memory and speed show on a GPU alone.
- `nn.Module.to`: makes new parameters where torch moves the old ones, since fake tensors cannot be swapped.
- `Tensor.backward`: gives each parameter that the loss depends on a gradient of its own shape, type and strides, with
  which optimisers and scalers then step; formats inside the backward pass are not seen.
- the kernels of fused optimisers: only that parameters, gradients and moments have the same strides is looked at.
- random states of CUDA, which have no device to come from; and torch.compile, which is not used.
- batches come from ordinary memory, and count as pinned where they are copied with `non_blocking`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from utils.imagery.images import channel_constants
from utils.imagery.pixels import IMAGENET_MEAN, IMAGENET_STD

CUDA = torch.device("cuda", 0)


class HostWaitsError(AssertionError):
    """An operation would make the host wait for the device."""


class _FakeTensors(FakeTensorMode):
    """Torch's, which otherwise looks for a device once somebody says that CUDA is there."""

    avoid_device_init = True  # type: ignore[assignment]


class _Operations(TorchDispatchMode):
    """Sees the operations that have kernels; inference mode shows those that are made of others before them."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.is_inference_mode_enabled() and func.namespace == "aten":
            with self:
                result = func.decompose(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        return self.operate(func, args, kwargs or {})

    def operate(self, func: Any, args: Any, kwargs: Any) -> Any:
        raise NotImplementedError


class _FusedOptimisers(_Operations):
    """Fused kernels, which fake tensors have none for: parameters, gradients and moments have to lie alike."""

    def operate(self, func: Any, args: Any, kwargs: Any) -> Any:
        if func.overloadpacket.__name__ not in ("_fused_sgd_", "_fused_adam_"):
            return func(*args, **kwargs)
        *lists, _steps = [given for given in args if isinstance(given, list | tuple) and given]
        for together in zip(*(lists if "adam" in str(func) else [*lists, _steps]), strict=True):
            assert len({(tensor.device, tensor.dtype, tensor.shape, tensor.stride()) for tensor in together}) == 1
        return None


class _Watch(_Operations):
    """Refuses copies between host and device that wait; small constants on the way to a kernel among them."""

    def operate(self, func: Any, args: Any, kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        name, waits = func.overloadpacket.__name__, not kwargs.get("non_blocking", False)
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if name == "copy_":
            waits = not (args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
        if name.startswith("index_put") and any(index is not None and index.dtype == torch.bool for index in args[1]):
            raise HostWaitsError(f"{func} looks for the places that a mask names")
        devices = {tensor.device.type for tensor in (*given, *made)}
        if len(devices) > 1 and (waits if name in ("copy_", "_to_copy", "_pin_memory") else _is_read(name)):
            raise HostWaitsError(f"{func} between {' and '.join(sorted(devices))}")
        return result


def _is_read(name: str) -> bool:
    """Operations that take tensors of the host beside those of the device, and copy them over first."""
    return name in ("index", "index_put", "index_put_", "where")


@contextmanager
def fake_cuda(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make networks and run steps on `CUDA` in here; batches may be made outside."""
    with patch.context() as patched:
        patched.setattr(torch.cuda, "is_available", lambda: True)
        patched.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
        patched.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
        patched.setattr(torch.cuda, "get_rng_state", lambda *_: None)
        patched.setattr(torch.cuda, "set_rng_state", lambda *_: None)
        patched.setattr(nn.Module, "to", _move)
        patched.setattr(Tensor, "backward", _give_gradients)
        channel_constants.cache_clear()
        try:
            with _FakeTensors(allow_non_fake_inputs=True), _FusedOptimisers():
                for constants in (IMAGENET_MEAN, IMAGENET_STD):  # they go to the device once, and wait then
                    channel_constants(constants, CUDA)
                yield
        finally:
            channel_constants.cache_clear()


@contextmanager
def nothing_waits() -> Iterator[None]:
    """No operation in here may make the host wait for the device."""
    with _Watch():
        yield


def _move(
    module: nn.Module, device: torch.device | None = None, memory_format: torch.memory_format | None = None
) -> nn.Module:
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    layout = memory_format if tensor.ndim == 4 and memory_format else torch.preserve_format
                    moved = tensor.detach().to(device or tensor.device).contiguous().clone(memory_format=layout)
                    tensors[name] = nn.Parameter(moved, tensor.requires_grad) if tensors is part._parameters else moved
    return module


def _give_gradients(loss: Tensor) -> None:
    assert loss.dtype == torch.float32
    assert loss.ndim == 0
    waiting, seen = [loss.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable") and node.variable.grad is None:
            node.variable.grad = torch.empty_like(node.variable)
        waiting += [function for function, _ in node.next_functions]


def output_types(network: nn.Module, *kinds: type[nn.Module]) -> dict[str, set[torch.dtype]]:
    """Number formats that the modules of these kinds give out from now on, by the names of the kinds."""
    seen: dict[str, set[torch.dtype]] = {kind.__name__: set() for kind in kinds}

    def note(name: str) -> Callable[..., None]:
        return lambda _module, _inputs, output: seen[name].add(output.dtype)

    for module in network.modules():
        for kind in kinds:
            if isinstance(module, kind):
                module.register_forward_hook(note(kind.__name__))
    return seen
