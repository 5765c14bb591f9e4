"""s4GAN's step under other conditions: extreme labels and sizes, parts of a batch, a stop, half floats, processes."""

import copy
import io
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.methods.s4gan import S4GAN
from model.methods.settings import Execution
from model.methods.supervised import Supervised
from model.networks.deeplabv2 import DeepLabV2
from tests.files import contiguous
from tests.plain_s4gan import (
    CPU,
    LABELLED,
    SETTINGS,
    UNLABELLED,
    UNLABELLED_PAIR,
    Batch,
    C,
    assert_close,
    assert_nearly,
    build,
    changed,
    make_batch,
    networks,
    snapshot,
)
from tests.utils.compute.test_distributed import in_processes
from utils.compute import distributed

# --- Extremes ---------------------------------------------------------------------------------------------------------


def test_labels_that_are_all_ignored_move_nothing():
    s4gan = build(replace(SETTINGS, lambda_fm=0.0, lambda_st=0.0, weight_decay=0.0))
    before = snapshot(s4gan.generator)
    losses = s4gan.train_step(LABELLED._replace(mask=torch.full_like(LABELLED.mask, 255)), UNLABELLED, 0)
    assert losses["loss_ce"].item() == 0
    assert all(name.endswith(("running_mean", "running_var", "tracked")) for name in changed(s4gan.generator, before))
    assert all(torch.isfinite(losses[name]).all() for name in losses)


@pytest.mark.parametrize(("threshold", "share"), [(1.0, 0), (0.0, 1)])
def test_no_image_or_every_image_is_believed(threshold, share):
    losses = build(replace(SETTINGS, threshold_st=threshold)).train_step(LABELLED, UNLABELLED, 0)
    assert losses["believed"].item() == share
    labelled_pixels = (losses["pseudo_labels"] != 255).sum(dim=(1, 2)).tolist()
    assert labelled_pixels == [share * area for area in (28 * 22, 32 * 14, 32 * 28)]
    assert (losses["loss_st"].item() > 0) == bool(share)


@pytest.mark.parametrize(("num_labelled", "num_unlabelled", "window"), [(1, 3, (33, 47)), (3, 1, (64, 32))])
def test_batches_and_inputs_of_any_size(num_labelled, num_unlabelled, window):
    s4gan = build()
    labelled, unlabelled = (make_batch(n, [window] * n, window) for n in (num_labelled, num_unlabelled))
    losses = s4gan.train_step(labelled, unlabelled, 0)
    assert losses["pseudo_labels"].shape == (num_unlabelled, *window)
    assert all(torch.isfinite(loss).all() for loss in losses.values())
    assert all(torch.isfinite(tensor).all() for tensor in s4gan.generator.state_dict().values())


def test_parts_of_a_batch_teach_what_the_whole_batch_teaches():
    # Apart from BatchNorm and feature matching, which see a part at a time.
    settings = replace(SETTINGS, freeze_bn=True, lambda_fm=0.0, threshold_st=1.0, learning_rate=0.01)
    whole, parts = (build(replace(settings, accumulate=n), dropout=0.0) for n in (1, 2))
    expected, losses = (s4gan.train_step(LABELLED, UNLABELLED_PAIR, 0) for s4gan in (whole, parts))
    for name in ("loss_ce", "loss_S", "loss_D", "D_real", "D_fake"):
        assert losses[name].item() == pytest.approx(expected[name].item(), abs=1e-6)
    assert losses["pseudo_labels"].shape == (2, 32, 28)
    assert_close(parts.generator, whole.generator)
    for p, q in zip(parts.discriminator.parameters(), whole.discriminator.parameters(), strict=True):
        assert_nearly(p.grad, q.grad, "discriminator")


def test_feature_matching_and_self_training_average_over_parts():
    settings = replace(SETTINGS, freeze_bn=True, threshold_st=0.0)
    labelled = LABELLED._replace(mask=torch.full_like(LABELLED.mask, 255))
    whole, *halves = (build(replace(settings, accumulate=n), dropout=0.0) for n in (2, 1, 1))
    losses = whole.train_step(labelled, UNLABELLED_PAIR, 0)
    of_halves = [
        half.train_step(Batch(*(f[i : i + 1] for f in labelled)), Batch(*(f[i : i + 1] for f in UNLABELLED_PAIR)), 0)
        for i, half in enumerate(halves)
    ]
    for name in ("loss_fm", "loss_st", "believed"):
        expected = (of_halves[0][name] + of_halves[1][name]).item() / 2
        assert losses[name].item() == pytest.approx(expected, abs=1e-6)
    parameters = zip(*(s4gan.generator.named_parameters() for s4gan in (whole, *halves)), strict=True)
    for (name, p), (_, first), (_, second) in parameters:
        assert_nearly(p.grad, (first.grad + second.grad) / 2, name)


def test_contiguous_memory_changes_nothing():
    first, second = build(dropout=0.0), build(dropout=0.0, execution=Execution(channels_last=False))
    layouts = [
        s4gan.generator.backbone.layer2[0].conv2.weight.is_contiguous(memory_format=torch.channels_last)
        for s4gan in (first, second)
    ]
    assert layouts == [True, False]
    expected, losses = (s4gan.train_step(LABELLED, UNLABELLED, 0) for s4gan in (first, second))
    for name in ("loss_ce", "loss_fm", "loss_st", "loss_D"):
        assert losses[name].item() == pytest.approx(expected[name].item(), abs=1e-5)


def test_the_first_step_with_a_broken_loss_is_remembered():
    s4gan = build()
    assert s4gan.train_step(LABELLED, UNLABELLED, 0)["broken_step"].item() == 0
    with torch.no_grad():
        s4gan.generator.head[0].bias[0] = float("inf")
    steps = [s4gan.train_step(LABELLED, UNLABELLED, step)["broken_step"].item() for step in (1, 2)]
    assert steps == [2, 2]


# --- Stopping and going on --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_saved", [lambda state: state, contiguous], ids=["as it lay", "contiguous"])
def test_a_restored_run_goes_on_identically(as_saved):
    def go_on(s4gan: S4GAN) -> list[float]:
        torch.manual_seed(7)  # of dropout
        return [s4gan.train_step(LABELLED, UNLABELLED, step)["loss_S"].item() for step in (2, 3)]

    whole = build()
    for step in (0, 1):
        whole.train_step(LABELLED, UNLABELLED, step)
    file = io.BytesIO()
    torch.save(as_saved(whole.state_dict()), file)
    file.seek(0)
    restored = build(seed=1)
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert go_on(restored) == go_on(whole)
    assert not changed(restored.generator, snapshot(whole.generator))
    assert not changed(restored.discriminator, snapshot(whole.discriminator))


def test_a_restored_supervised_run_goes_on_identically():
    whole, restored = (Supervised(networks(seed)[0], SETTINGS, CPU) for seed in (0, 1))
    whole.train_step(LABELLED, None, 0)
    state = copy.deepcopy(whole.state_dict())
    assert not any("discriminator" in name for name in state)
    restored.load_state_dict(state)
    for s4gan in (whole, restored):
        s4gan.train_step(LABELLED, None, 1)
    assert not changed(restored.generator, snapshot(whole.generator))


# --- Number formats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_stays_near_float32(precision, dtype):
    seen = set()
    half, single = build(dropout=0.0, execution=Execution(precision)), build(dropout=0.0)
    for network in (half.generator.head[0], half.discriminator.convolutions[0]):
        network.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    before = snapshot(half.generator)
    small = make_batch(3, [(33, 33), (20, 33)], (33, 33))
    losses, expected = half.train_step(small, small, 0), single.train_step(small, small, 0)
    assert seen == {dtype}
    for name in ("loss_ce", "loss_fm", "loss_S", "loss_D"):
        assert losses[name].dtype == torch.float32
        assert losses[name].item() == pytest.approx(expected[name].item(), rel=0.05, abs=1e-3)
    head = "head.0.weight"
    step, expected_step = (s4gan.generator.state_dict()[head] - before[head] for s4gan in (half, single))
    assert F.cosine_similarity(step.flatten(), expected_step.flatten(), dim=0) > 0.98
    assert step.norm().item() == pytest.approx(expected_step.norm().item(), rel=0.1)


def test_an_overflow_in_fp16_skips_the_step_and_halves_the_scale():
    s4gan = build(execution=Execution("fp16"))
    s4gan.generator_scaler.load_state_dict(s4gan.generator_scaler.state_dict() | {"scale": 2.0**60})
    before = snapshot(s4gan.generator), snapshot(s4gan.discriminator)
    small = make_batch(3, [(33, 33)] * 2, (33, 33))
    s4gan.train_step(small, small, 0)
    parameters = {name for name, _ in s4gan.generator.named_parameters()}
    assert not changed(s4gan.generator, before[0]) & parameters
    assert not any(state["momentum_buffer"].any() for state in s4gan.generator_optimiser.state.values())
    assert changed(s4gan.discriminator, before[1]) == set(before[1])  # it has a scale of its own
    assert s4gan.state_dict()["generator_scaler"]["scale"] == 2.0**59


# --- Several processes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accumulate", [1, 2])
def test_gradients_of_two_processes_are_those_of_one(accumulate):
    """Shares with other numbers of labelled and of padded pixels; every map is believed."""
    settings = replace(SETTINGS, freeze_bn=True, threshold_st=0.0)
    sizes = [(32, 28), (9, 28), (20, 11), (31, 5)]
    labelled, unlabelled = make_batch(4, sizes), make_batch(5, sizes[::-1])

    def step(rank: int, processes: int, parts: int) -> tuple[list[Tensor], dict[str, float]]:
        s4gan = build(replace(settings, accumulate=parts), dropout=0.0)
        shares = (Batch(*(f.chunk(processes)[rank] for f in batch)) for batch in (labelled, unlabelled))
        losses = s4gan.train_step(*shares, 0)
        values = {n: distributed.total(v).item() for n, v in losses.items() if v.ndim == 0}
        networks = (s4gan.generator, s4gan.discriminator)
        return [p.grad for network in networks for p in network.parameters()], values

    # A part takes a tile of each process: with two parts, one process has to take them in that order.
    order = torch.arange(4).view(2, 2).T.flatten() if accumulate == 2 else torch.arange(4)
    answers = in_processes(2, lambda: step(distributed.rank(), 2, accumulate))
    labelled, unlabelled = (Batch(*(f[order] for f in batch)) for batch in (labelled, unlabelled))
    expected, expected_losses = step(0, 1, accumulate)
    assert len(expected) > 60
    for gradients, losses in answers:
        assert losses == pytest.approx(expected_losses, rel=1e-5)
        for gradient, whole in zip(gradients, expected, strict=True):
            assert (gradient - whole).norm() <= 1e-5 * whole.norm()
            assert whole.norm() > 0


def test_a_process_with_nothing_labelled_has_its_share_of_the_gradients():
    settings = replace(SETTINGS, freeze_bn=True)
    unknown = LABELLED._replace(mask=LABELLED.mask.clone())
    unknown.mask[1] = 255

    def step(rows: slice) -> list[Tensor]:
        s4gan = build(settings, dropout=0.0)
        s4gan.train_step(Batch(*(f[rows] for f in unknown)), Batch(*(f[rows] for f in UNLABELLED_PAIR)), 0)
        return [p.grad for p in s4gan.generator.parameters()]

    expected = step(slice(None))
    for gradients in in_processes(2, lambda: step(slice(distributed.rank(), distributed.rank() + 1))):
        for gradient, whole in zip(gradients, expected, strict=True):
            assert (gradient - whole).norm() <= 1e-5 * whole.norm()


def test_synchronised_batchnorm_is_grouped_frozen_and_timed_like_the_plain_one():
    """It forwards on CUDA only; what is done with its parameters does not depend on that."""
    plain, synchronised = (DeepLabV2(C, "tiny") for _ in range(2))
    synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(synchronised)
    settings = replace(SETTINGS, bn_momentum=0.3)
    sizes = []
    for network in (plain, synchronised):
        s4gan = Supervised(network, settings, CPU)
        sizes.append([(len(g["params"]), g["weight_decay"]) for g in s4gan.generator_optimiser.param_groups])
        Supervised(network, settings, CPU, Execution(freeze_affine=True))
    assert sizes[0] == sizes[1]
    norms = [m for m in synchronised.modules() if isinstance(m, nn.SyncBatchNorm)]
    assert len(norms) == sum(isinstance(m, nn.BatchNorm2d) for m in plain.modules())
    assert {m.momentum for m in norms} == {0.3}
    assert not any(p.requires_grad for m in norms for p in m.parameters())
    assert list(synchronised.state_dict()) == list(plain.state_dict())
