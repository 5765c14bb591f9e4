"""One seed for everything random that does not carry its own generator; and what else numbers depend on."""

import random
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from utils.console import say


def seed_everything(seed: int) -> None:
    """Seed Python, numpy's legacy generator and torch on all devices (weight initialisation, dropout)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 — for libraries that use it; our own code passes generators
    torch.manual_seed(seed)


def machine_state(device: torch.device) -> dict[str, Any]:
    """What a resumed run's numbers depend on besides its own state: torch's random states, threads and version."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {
        "random": {"torch": torch.get_rng_state(), "cuda": cuda},
        "threads": torch.get_num_threads(),
        "torch_version": str(torch.__version__),
    }


def restore_machine_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Restore the random states; another number of threads is worth a warning."""
    torch.set_rng_state(state["random"]["torch"])
    if state["random"]["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["random"]["cuda"], device)
    if state["threads"] != torch.get_num_threads() and device.type == "cpu":
        say(
            f"warning: the run used {state['threads']} threads and now has {torch.get_num_threads()}: its numbers will "
            "differ in the last digits (OMP_NUM_THREADS sets them)",
            file=sys.stderr,
        )
