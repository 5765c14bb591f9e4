"""Processes that are killed, and functions before whose calls something happens."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest


def forked(work: Callable[[], int]) -> int:
    """The exit code of `work` in a process of its own; -9 where it was killed."""
    process = multiprocessing.get_context("fork").Process(target=lambda: os._exit(work()))
    process.start()
    for _ in range(6000):  # not join, which waits for a killed process's loader workers too
        if not process.is_alive():
            break
        time.sleep(0.02)
    else:
        process.kill()
        pytest.fail("the process hangs")
    assert process.exitcode is not None
    return process.exitcode


def killed_at(moment: int, every: int = 1) -> Callable[[], None]:
    """A function that kills its process at the call of this number."""
    calls = 0

    def call(*_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def before(function: Callable[..., Any], extra: Callable[[], None]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        extra()
        return function(*args, **kwargs)

    return call
