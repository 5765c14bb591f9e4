import copy

import pytest
import torch
from torch import nn

from tests.files import contiguous
from utils.optimisation.optimisers import begin_momentum, load_optimiser


def layer_with(make, **options):
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 8, 3).to(memory_format=torch.channels_last)
    return layer, make(layer.parameters(), lr=0.1, fused=True, **options)


def step(layer, optimiser, seed):
    optimiser.zero_grad()
    images = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(seed))
    layer(images).square().sum().backward()
    optimiser.step()


@pytest.mark.parametrize(("make", "options"), [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.Adam, {})])
def test_contiguous_moments_of_a_file_fit_channels_last_weights(make, options):
    layer, optimiser = layer_with(make, **options)
    for seed in range(2):
        step(layer, optimiser, seed)
    weights, state = copy.deepcopy(layer.state_dict()), contiguous(copy.deepcopy(optimiser.state_dict()))
    assert any(value.stride() == (72, 9, 3, 1) for value in state["state"][0].values() if torch.is_tensor(value))
    resumed, fresh = layer_with(make, **options)
    resumed.load_state_dict(weights)
    load_optimiser(fresh, state)
    for one, other in ((layer, optimiser), (resumed, fresh)):
        step(one, other, 2)
    assert torch.equal(resumed.weight, layer.weight)
    assert torch.equal(resumed.bias, layer.bias)


def test_a_momentum_of_zero_is_none():
    plain, prepared = (layer_with(torch.optim.SGD, momentum=0.9) for _ in range(2))
    begin_momentum(prepared[1])
    for seed in range(2):
        for one in (plain, prepared):
            step(*one, seed)
    assert torch.equal(plain[0].weight, prepared[0].weight)


def test_frozen_weights_and_plain_sgd_get_no_momentum():
    layer, optimiser = layer_with(torch.optim.SGD, momentum=0.9)
    layer.bias.requires_grad_(False)
    begin_momentum(optimiser)
    assert set(optimiser.state) == {layer.weight}
    _, without = layer_with(torch.optim.SGD)
    begin_momentum(without)
    assert not without.state
