import random

import numpy as np
import pytest
import torch

from utils.runs.seeds import seed_everything


def draw(seed: int) -> tuple[float, float, float]:
    seed_everything(seed)
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002 — what others may draw from


@pytest.mark.parametrize("seed", [0, 5000, 2**32 + 1])
def test_one_seed_gives_one_stream_in_every_library(seed):
    first, other = draw(seed), draw(seed + 1)
    assert draw(seed) == first
    assert all(a != b for a, b in zip(first, other, strict=True))
