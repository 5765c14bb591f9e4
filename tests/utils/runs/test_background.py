"""Snapshots: what is copied, and how it lies in memory; with buffers of ordinary memory where a GPU has pinned ones."""

import io

import pytest
import torch
from torch import nn

from utils.runs.background import BackgroundWriter, Snapshot


@pytest.fixture
def made():
    """Buffers that were made, by an allocator like that of a GPU."""
    return []


@pytest.fixture
def snapshot(made):
    def allocate(tensor):
        made.append(torch.empty_like(tensor))
        return made[-1]

    return Snapshot(allocate)


def channels_last(*shape):
    return torch.randn(*shape).to(memory_format=torch.channels_last)


def test_copies_keep_strides_and_values(snapshot):
    state = {"w": channels_last(4, 3, 5, 5), "inner": {0: [channels_last(2, 3, 1, 1), 7], "b": torch.arange(3)}, "t": (1,)}
    copy = snapshot.take(state)
    pairs = [(state["w"], copy["w"]), (state["inner"][0][0], copy["inner"][0][0]), (state["inner"]["b"], copy["inner"]["b"])]
    for tensor, copied in pairs:
        assert torch.equal(tensor, copied)
        assert copied.stride() == tensor.stride()
        assert copied.data_ptr() != tensor.data_ptr()
    assert copy["inner"][0][1] == 7
    assert copy["t"] == (1,)


def test_strides_survive_the_file(snapshot):
    file = io.BytesIO()
    torch.save(snapshot.take({"w": channels_last(4, 3, 5, 5)}), file)
    file.seek(0)
    assert torch.load(file, weights_only=True)["w"].stride() == channels_last(4, 3, 5, 5).stride()


def test_a_buffer_is_used_again_while_its_tensor_lies_alike(snapshot, made):
    state = {"w": channels_last(4, 3, 5, 5)}
    first = snapshot.take(state, "a")["w"]
    state["w"].add_(1)
    assert snapshot.take(state, "a")["w"] is first
    assert torch.equal(first, state["w"])
    assert snapshot.take(state, "b")["w"] is not first
    assert snapshot.take({"w": state["w"].contiguous()}, "a")["w"].is_contiguous()
    assert snapshot.take({"w": state["w"].double()}, "a")["w"].dtype == torch.float64
    assert len(made) == 4


def test_without_an_allocator_tensors_on_the_cpu_are_cloned():
    weight = channels_last(4, 3, 5, 5)
    copies = [Snapshot().take({"w": weight})["w"] for _ in range(2)]
    assert copies[0] is not copies[1]
    assert all(torch.equal(copy, weight) and copy.stride() == weight.stride() for copy in copies)


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
def test_moments_keep_the_layout_of_their_weights(snapshot, make):
    layer = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimiser = make(layer.parameters(), 0.1, fused=True, **({"momentum": 0.9} if make is torch.optim.SGD else {}))
    layer(torch.randn(1, 3, 6, 6)).sum().backward()
    optimiser.step()
    moments = snapshot.take(optimiser.state_dict())["state"][0]
    assert {m.stride() for m in moments.values() if torch.is_tensor(m) and m.ndim == 4} == {layer.weight.stride()}


def test_an_error_of_the_writer_surfaces_at_the_next_call():
    writer = BackgroundWriter()
    writer.submit(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        writer.submit(lambda: None)
    writer.wait()
