"""Writing files while training goes on."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor


class BackgroundWriter:
    """Runs one write at a time in a thread; the next one waits for it. Errors surface at the next call.

    Attributes:
        waited: seconds that callers have waited for writes so far.
    """

    def __init__(self) -> None:
        self.waited = 0.0
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def submit(self, write: Callable[[], None]) -> None:
        """Wait for the write under way, then start this one.

        Raises:
            Exception: whatever the write before raised.
        """
        self.wait()
        self._thread = threading.Thread(target=self._run, args=(write,))
        self._thread.start()

    def wait(self) -> None:
        """Wait for the write under way.

        Raises:
            Exception: whatever it raised.
        """
        if self._thread is not None:
            started = time.perf_counter()
            self._thread.join()
            self._thread = None
            self.waited += time.perf_counter() - started
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def end(self) -> None:
        """Wait for the write under way, whatever interrupts it, and forget its error: another one is to be told."""
        while self._thread is not None and self._thread.is_alive():
            with suppress(BaseException):
                self._thread.join()
        self._thread = self._error = None

    def _run(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BaseException as error:
            self._error = error


def pinned_like(tensor: Tensor) -> Tensor:
    """Page-locked memory of a tensor's shape, type and strides on the CPU, to which a GPU copies by itself."""
    return torch.empty_like(tensor, device="cpu", pin_memory=True)


class Snapshot:
    """Copies of tensors that training may go on changing, with their strides: optimisers compare these on loading.

    Args:
        allocate: makes a buffer of a tensor's shape, type and strides, which is used again; None: clones of tensors on
            the CPU, and pinned buffers for a GPU, whose copies have arrived once somebody has waited for the device.
    """

    def __init__(self, allocate: Callable[[Tensor], Tensor] | None = None) -> None:
        self._allocate = allocate
        self._buffers: dict[str, Tensor] = {}

    def take(self, state: Mapping[str, Any], name: str = "") -> dict[str, Any]:
        """Copy a nested state; the caller lets the copies be written before it takes the next under the same names."""
        return {str(key): self._copy(value, f"{name}/{key}") for key, value in state.items()}

    def _copy(self, value: Any, name: str) -> Any:
        if isinstance(value, Tensor):
            return self._copy_tensor(value.detach(), name)
        if isinstance(value, dict):
            return {key: self._copy(item, f"{name}/{key}") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._copy(item, f"{name}/{i}") for i, item in enumerate(value))
        return value

    def _copy_tensor(self, tensor: Tensor, name: str) -> Tensor:
        if self._allocate is None and tensor.device.type == "cpu":
            return tensor.clone()
        buffer = self._buffers.get(name)
        if buffer is None or _layout(buffer) != _layout(tensor):
            buffer = self._buffers[name] = (self._allocate or pinned_like)(tensor)
        return buffer.copy_(tensor, non_blocking=True)


def _layout(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.stride(), tensor.dtype
