"""One seed for everything random that does not carry its own generator."""

import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, numpy's legacy generator and torch on all devices (weight initialisation, dropout)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 — for libraries that use it; our own code passes generators
    torch.manual_seed(seed)
