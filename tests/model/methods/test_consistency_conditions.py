"""Steps of FixMatch and UniMatch under other conditions: parts, processes, number formats, a stop, bands, nodata."""

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.methods import build_method
from model.methods.consistency import Consistency
from model.methods.settings import Execution
from model.networks.deeplabv2 import DeepLabV2
from tests.fake_cuda import CUDA, fake_cuda, nothing_waits, output_types
from tests.model.methods.test_consistency import BOTH, FIXMATCH, UNLABELLED, named
from tests.model.methods.test_nodata import WITH_VALIDITY, as_nodata
from tests.plain_consistency import Viewed, build, make_viewed, rows_of
from tests.plain_s4gan import CPU, LABELLED, Batch, C, changed, make_batch, networks, snapshot
from tests.utils.compute.test_distributed import in_processes
from utils.compute import distributed
from utils.imagery.pixels import PixelFormat

PADDED = ((32, 20), (20, 28))
SIZES = ((32, 28), (9, 28), (20, 11), (31, 5))


def labelled_of(order: Tensor | slice) -> Batch:
    return Batch(*(field[order] for field in make_batch(4, list(SIZES))))


def gradients(settings: Any, order: Tensor | slice) -> tuple[list[Tensor], dict[str, float], Tensor]:
    """Of one step on some of four tiles, whose masks and paddings differ: gradients, numbers of all, pseudo-labels."""
    method = build(settings, sharper=10)
    unlabelled = rows_of(make_viewed(5, len(method.views), SIZES, SIZES[::-1]), order)
    losses = method.train_step(labelled_of(order), unlabelled, 0)
    values = {n: distributed.total(v).item() for n, v in losses.items() if v.ndim == 0}
    parameters = [p.grad for p in method.generator.parameters() if p.grad is not None]
    return parameters, values, losses["pseudo_labels"]


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_parts_and_processes_learn_what_one_batch_teaches(settings: Any):
    """Apart from BatchNorm, which sees a part at a time. Each process takes its tiles in two parts, too."""
    settings = replace(settings, freeze_bn=True, pseudo_threshold=0.5)
    in_parts = replace(settings, accumulate=2)
    expected, numbers, labels = gradients(settings, slice(None))
    assert 0.05 < numbers["kept"] < 0.99
    shares = in_processes(2, lambda: gradients(in_parts, slice(2 * distributed.rank(), 2 * distributed.rank() + 2)))
    for found, its_numbers, _ in (gradients(in_parts, slice(None)), *shares):
        assert its_numbers == pytest.approx(numbers, rel=1e-4)
        for gradient, whole in zip(found, expected, strict=True):
            assert (gradient - whole).norm() <= 1e-4 * whole.norm()
    assert torch.equal(torch.cat([share[2] for share in shares]), labels)


def test_processes_have_one_mind():
    """Statistics of BatchNorm are averaged at every step, so that labels do not depend on the process."""

    def step() -> dict[str, Tensor]:
        method, rows = build(FIXMATCH), slice(2 * distributed.rank(), 2 * distributed.rank() + 2)
        for number in range(2):
            unlabelled = rows_of(make_viewed(5, 1, SIZES, SIZES[::-1]), rows)
            method.train_step(labelled_of(rows), unlabelled, number)
        return {f"{ending}{k}": v for ending, n in method.networks().items() for k, v in n.state_dict().items()}

    first, second = in_processes(2, step)
    assert all(torch.equal(second[name], tensor) for name, tensor in first.items())
    assert any("running_var" in name for name in first)


@pytest.mark.parametrize(
    ("settings", "precision", "dtype"),
    [(BOTH[0], "fp16", torch.float16), (BOTH[0], "bf16", torch.bfloat16), (BOTH[1], "bf16", torch.bfloat16)],
)
def test_half_precision_stays_near_float32(settings: Any, precision: str, dtype: torch.dtype):
    seen = set()
    settings = replace(settings, pseudo_threshold=0.0)
    half, single = build(settings, execution=Execution(precision)), build(settings)
    half.generator.head[0].register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    half.labelling.head[0].register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    before = snapshot(half.generator)
    batch = UNLABELLED[settings.name]
    losses, expected = half.train_step(LABELLED, batch, 0), single.train_step(LABELLED, batch, 0)
    assert seen == {dtype}
    for name in expected.keys() - {"pseudo_labels", "agreement", "broken_step"}:
        assert losses[name].dtype == torch.float32, name
        assert losses[name].item() == pytest.approx(expected[name].item(), rel=0.05, abs=1e-3)
    step, expected_step = (m.generator.state_dict()["head.0.bias"] - before["head.0.bias"] for m in (half, single))
    assert F.cosine_similarity(step, expected_step, dim=0) > 0.95


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_a_restored_run_goes_on_identically(settings: Any):
    whole, batch = build(settings), UNLABELLED[settings.name]
    whole.train_step(LABELLED, batch, 0)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    restored = build(settings, seed=1)
    restored.load_state_dict(torch.load(file, weights_only=True))
    losses = [method.train_step(LABELLED, batch, 1)["loss_S"].item() for method in (whole, restored)]
    assert losses[0] == losses[1]
    for name, network in whole.networks().items():
        assert not changed(restored.networks()[name], snapshot(network))


# --- Bands and pixels without data ------------------------------------------------------------------------------------


def without_data(batch: Viewed) -> Viewed:
    """The padding of tiles and partners becomes ground without data."""
    own = as_nodata(Batch(batch.image, batch.mask, batch.size))
    return batch._replace(image=own.image, mask=own.mask, size=own.size, partner=as_nodata(batch.partner))


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_nodata_is_neither_labelled_nor_pasted_nor_counted(settings: Any):
    """As padding is not; a step on tiles with the one is the step on tiles with the other."""
    padded = build(settings, sharper=10)
    method = build(settings, sharper=10, pixels=replace(WITH_VALIDITY, rgb=(0, 1, 2)))
    labelled, batch = make_batch(1, list(PADDED)), make_viewed(2, len(method.views), PADDED, PADDED[::-1])
    expected = padded.train_step(labelled, batch, 0)
    found = method.train_step(as_nodata(labelled), without_data(batch), 0)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not changed(method.generator, snapshot(padded.generator))


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_one_band_and_four_are_learned_from(settings: Any):
    for bands in (1, 4):
        torch.manual_seed(0)
        pixels = PixelFormat((0.4,) * bands, (0.2,) * bands, rgb=(3, 2, 1) if bands == 4 else None)
        method = build_method(settings, DeepLabV2(C, "tiny", bands), CPU, pixels=pixels)
        batch = UNLABELLED[settings.name]
        image, partner = (torch.cat([tiles.image, tiles.image], dim=1)[:, :bands] for tiles in (batch, batch.partner))
        unlabelled = batch._replace(image=image, partner=batch.partner._replace(image=partner))
        labelled = LABELLED._replace(image=torch.cat([LABELLED.image, LABELLED.image], dim=1)[:, :bands])
        before = snapshot(method.generator)
        assert torch.isfinite(method.train_step(labelled, unlabelled, 0)["loss_S"])
        assert "backbone.conv1.weight" in changed(method.generator, before)


# --- On a CUDA device that is not there -------------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "precision", "accumulate"), [(BOTH[0], "fp16", 2), (BOTH[1], "bf16", 1)])
def test_a_step_never_waits_for_the_device(monkeypatch: Any, settings: Any, precision: str, accumulate: int):
    formats = {"bf16": torch.bfloat16, "fp16": torch.float16}
    with fake_cuda(monkeypatch):
        settings = replace(settings, accumulate=accumulate, ignore_label=1, ema=0.9)
        method = build_method(settings, networks()[0], CUDA, Execution(precision))
        assert isinstance(method, Consistency)
        computed = output_types(method.generator, nn.Conv2d), output_types(method.evaluated, nn.Conv2d)
        with nothing_waits():
            losses = method.train_step(LABELLED, UNLABELLED[method.name], 0)
        of_teacher = {formats[precision]} if method.labelling is method.evaluated else set()
        assert [found["Conv2d"] for found in computed] == [{formats[precision]}, of_teacher]
        assert {value.device for value in losses.values()} == {CUDA}
        assert {value.dtype for name, value in losses.items() if name.startswith("loss")} == {torch.float32}
