"""Writing files while training goes on."""

import threading
import time
from collections.abc import Callable, Mapping
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

    def _run(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BaseException as error:
            self._error = error


class Snapshot:
    """Copies of tensors that training may go on changing: clones on the CPU, pinned buffers used again for a GPU."""

    def __init__(self) -> None:
        self._pinned: dict[str, Tensor] = {}

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
        if tensor.device.type == "cpu":
            return tensor.clone()
        buffer = self._pinned.get(name)
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._pinned[name] = buffer
        return buffer.copy_(tensor, non_blocking=True)
