import copy
import io
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.deeplabv2 import DeepLabV2
from model.discriminator import Discriminator
from model.s4gan import S4GAN, DeviceBatch, S4GANSettings, generator_groups, real_class_map
from tests.test_distributed import in_processes
from utils import distributed

CPU = torch.device("cpu")
C = 4  # classes
SETTINGS = S4GANSettings(num_steps=10, threshold_st=0.5, st_start=0)


class Batch(NamedTuple):
    image: Tensor
    mask: Tensor
    size: Tensor


def make_batch(seed: int, sizes: list[tuple[int, int]], window: tuple[int, int] = (32, 28)) -> Batch:
    """Random tiles of the given sizes inside the window; a tenth of their pixels has no class."""
    rng = torch.Generator().manual_seed(seed)
    image = torch.zeros(len(sizes), 3, *window, dtype=torch.uint8)
    mask = torch.full((len(sizes), *window), 255, dtype=torch.uint8)
    for row, (height, width) in enumerate(sizes):
        shade = torch.randint(0, 128, (3, 1, 1), generator=rng)
        noise = torch.randint(0, 128, (3, height, width), generator=rng)
        image[row, :, :height, :width] = shade + noise
        ids = torch.randint(0, C, (height, width), generator=rng)
        unknown = torch.rand(height, width, generator=rng) < 0.1
        mask[row, :height, :width] = ids.masked_fill(unknown, 255)
    return Batch(image, mask, torch.tensor(sizes))


LABELLED = make_batch(1, [(32, 28), (20, 28)])
UNLABELLED = make_batch(2, [(28, 22), (32, 14), (32, 28)])
UNLABELLED_PAIR = make_batch(3, [(32, 28), (20, 28)])


def networks(seed: int = 0, dropout: float = 0.5) -> tuple[DeepLabV2, Discriminator]:
    torch.manual_seed(seed)
    return DeepLabV2(C, "tiny"), Discriminator(C, dropout)


def build(settings: S4GANSettings = SETTINGS, seed: int = 0, dropout: float = 0.5) -> S4GAN:
    generator, discriminator = networks(seed, dropout)
    return S4GAN(generator, discriminator, settings, CPU)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def changed(network: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def assert_close(network: nn.Module, expected: nn.Module) -> None:
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, atol=1e-5, rtol=0, msg=name)


def assert_nearly(change: Tensor, expected: Tensor, name: str) -> None:
    assert expected.norm() > 0, name
    assert (change - expected).norm() < 1e-3 * expected.norm(), name


# A whole step in plain code: one graph, one backward pass a network, optimisers written out


class PlainS4GAN:
    """The formulas of the paper, one after the other; without dropout."""

    def __init__(self, generator: DeepLabV2, discriminator: Discriminator, settings: S4GANSettings) -> None:
        self.generator, self.discriminator, self.settings = generator, discriminator, settings
        self.velocity = {name: torch.zeros_like(p) for name, p in generator.named_parameters()}
        self.mean = [torch.zeros_like(p) for p in discriminator.parameters()]
        self.square = [torch.zeros_like(p) for p in discriminator.parameters()]

    def step(self, labelled: Batch, unlabelled: Batch, step: int) -> dict[str, float]:
        s = self.settings
        self.generator.train()
        images, masks, inside = self.prepare(labelled)
        logits = self.generator(self.normalised(images, inside))
        loss_ce = self.cross_entropy(logits, masks)

        real = torch.zeros_like(logits)
        for b, h, w in torch.cartesian_prod(*(torch.arange(n) for n in masks.shape)).tolist():
            if inside[b, 0, h, w] and masks[b, h, w] == 255:
                real[b, :, h, w] = logits[b, :, h, w].detach().exp() / logits[b, :, h, w].detach().exp().sum()
            elif inside[b, 0, h, w]:
                real[b, masks[b, h, w], h, w] = 1

        other_images, _, other_inside = self.prepare(unlabelled)
        other_logits = self.generator(self.normalised(other_images, other_inside))
        fake = other_logits.exp() / other_logits.exp().sum(dim=1, keepdim=True) * other_inside
        judged, fake_features = self.discriminator(fake, other_images)
        _, real_features = self.discriminator(real, images)
        loss_fm = (real_features.mean(dim=0) - fake_features.mean(dim=0)).abs().mean()

        pseudo = torch.full_like(unlabelled.mask, 255, dtype=torch.long)
        believed = [1 / (1 + torch.exp(-logit)) > s.threshold_st for logit in judged]
        for row, (height, width) in enumerate(unlabelled.size.tolist()):
            if believed[row]:
                pseudo[row, :height, :width] = other_logits[row].argmax(dim=0)[:height, :width]
        loss_st = self.cross_entropy(other_logits, pseudo) if step >= s.self_training_start else torch.zeros(())

        loss_s = loss_ce + s.lambda_fm * loss_fm + s.lambda_st * loss_st
        self.descend(torch.autograd.grad(loss_s, list(self.generator.parameters())), step)

        on_fake, _ = self.discriminator(fake.detach(), other_images)
        on_real, _ = self.discriminator(real, images)
        bce_fake = -torch.log(1 - torch.sigmoid(on_fake)).mean()
        bce_real = -torch.log(torch.sigmoid(on_real)).mean()
        loss_d = 0.5 * (bce_fake + bce_real)
        self.discriminator_gradients = torch.autograd.grad(loss_d, list(self.discriminator.parameters()))
        return {
            "loss_ce": loss_ce.item(),
            "loss_fm": loss_fm.item(),
            "loss_st": loss_st.item(),
            "loss_S": loss_s.item(),
            "loss_D": loss_d.item(),
            "believed": sum(map(float, believed)) / len(believed),
        }

    def supervised_step(self, batch: Batch, step: int) -> float:
        self.generator.train()
        images, masks, inside = self.prepare(batch)
        loss = self.cross_entropy(self.generator(self.normalised(images, inside)), masks)
        self.descend(torch.autograd.grad(loss, list(self.generator.parameters())), step)
        return loss.item()

    @staticmethod
    def prepare(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        inside = torch.zeros(len(batch.image), 1, *batch.image.shape[2:])
        for row, (height, width) in enumerate(batch.size.tolist()):
            inside[row, :, :height, :width] = 1
        return batch.image.float() / 255, batch.mask.long(), inside

    @staticmethod
    def normalised(images: Tensor, inside: Tensor) -> Tensor:
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return (images - mean[:, None, None]) / deviation[:, None, None] * inside

    @staticmethod
    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        known = labels != 255
        if not known.any():
            return logits.sum() * 0
        probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
        of_label = probabilities.permute(0, 2, 3, 1)[known].gather(1, labels[known][:, None])
        return -of_label.log().mean()

    @torch.no_grad()
    def descend(self, gradients: tuple[Tensor, ...], step: int) -> None:
        factor = (1 - step / self.settings.num_steps) ** self.settings.power
        for (name, p), gradient in zip(self.generator.named_parameters(), gradients, strict=True):
            is_norm = name.startswith("backbone.") and p.ndim == 1
            multiple, decays = (
                (1, not is_norm) if name.startswith("backbone.") else (10, True) if p.ndim == 4 else (20, False)
            )
            velocity = self.velocity[name]
            gradient = gradient + (self.settings.weight_decay * p if decays else 0)
            velocity.mul_(self.settings.momentum).add_(gradient)
            p -= multiple * self.settings.learning_rate * factor * velocity

    @torch.no_grad()
    def adam(self, gradients: tuple[Tensor, ...], step: int) -> None:
        rate = self.settings.learning_rate_d * (1 - step / self.settings.num_steps) ** self.settings.power
        rows = zip(self.discriminator.parameters(), gradients, self.mean, self.square, strict=True)
        for p, gradient, mean, square in rows:
            mean.mul_(0.9).add_(0.1 * gradient)
            square.mul_(0.99).add_(0.01 * gradient**2)
            corrected = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.99 ** (step + 1))
            p -= rate * corrected[0] / (corrected[1].sqrt() + 1e-8)


@pytest.mark.parametrize("st_start", [0, 2, 99])
def test_steps_equal_the_plain_formulas(st_start):
    settings = replace(SETTINGS, st_start=st_start, num_steps=6, learning_rate=1e-3, lambda_fm=2.0, lambda_st=0.7)
    s4gan = build(settings, seed=1, dropout=0.0)
    with torch.no_grad():  # steeper than at the start: images lie on both sides of the threshold, all weights move
        s4gan.discriminator.classifier.weight.mul_(30)
        for classifier in s4gan.generator.head:
            classifier.weight.mul_(10)
    plain = PlainS4GAN(*copy.deepcopy((s4gan.generator, s4gan.discriminator)), settings)
    believed = []
    for step in range(4):
        labelled = make_batch(10 + step, [(32, 28), (20, 28)])
        unlabelled = make_batch(20 + step, [(28, 22), (32, 14), (32, 28)])
        before = snapshot(s4gan.generator)
        losses = s4gan.train_step(labelled, unlabelled, step)
        expected = plain.step(labelled, unlabelled, step)
        assert {name: losses[name].item() for name in expected} == pytest.approx(expected, abs=1e-5)
        assert (losses["loss_st"].item() > 0) == (step >= st_start and expected["believed"] > 0)
        believed.append(expected["believed"])

        assert_close(s4gan.generator, plain.generator)
        for name, p in plain.generator.named_parameters():
            assert_nearly(s4gan.generator.get_parameter(name) - before[name], p - before[name], name)
        gradients = tuple(p.grad for p in s4gan.discriminator.parameters())
        for gradient, plain_gradient in zip(gradients, plain.discriminator_gradients, strict=True):
            assert_nearly(gradient, plain_gradient, "discriminator")
        plain.adam(gradients, step)  # Adam would make steps of the rounding errors in gradients near 0
        assert_close(s4gan.discriminator, plain.discriminator)

        plain.generator.load_state_dict(s4gan.generator.state_dict())  # nor do rounding errors add up
    assert {0 < share < 1 for share in believed[1:]} == {True}


@pytest.mark.parametrize("with_discriminator", [False, True])
def test_supervised_steps_equal_cross_entropy_and_sgd(with_discriminator):
    generator, discriminator = networks()
    settings = replace(SETTINGS, learning_rate=1e-3)
    plain = PlainS4GAN(copy.deepcopy(generator), discriminator, settings)
    s4gan = S4GAN(generator, discriminator if with_discriminator else None, settings, CPU)
    before = snapshot(discriminator)
    for step in range(3):
        batch = make_batch(step, [(32, 28), (20, 28)])
        losses = s4gan.train_step(batch, None if with_discriminator else UNLABELLED, step)
        assert losses["loss_S"] == losses["loss_ce"]
        assert losses["loss_ce"].item() == pytest.approx(plain.supervised_step(batch, step), abs=1e-5)
    assert_close(s4gan.generator, plain.generator)
    assert not changed(discriminator, before)


# What is frozen, and at which rate the rest learns


def test_frozen_affine_parameters_stay_while_all_else_learns():
    torch.manual_seed(0)
    generator = DeepLabV2(C, "resnet101")
    affine = {
        f"{name}.{kind}"
        for name, module in generator.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for kind in ("weight", "bias")
    }
    s4gan = S4GAN(generator, Discriminator(C), replace(SETTINGS, freeze_affine=True), CPU)
    before = snapshot(generator)
    sizes = [(33, 33), (33, 33)]
    for step in range(2):
        s4gan.train_step(make_batch(step, sizes, (33, 33)), make_batch(9 + step, sizes, (33, 33)), step)
    assert len(affine) == 208
    assert len(before) == 208 + 104 + 3 * 104 + 8  # affine, convolutions, running statistics, heads
    assert changed(generator, before) == set(before) - affine


def test_affine_parameters_learn_unless_frozen():
    s4gan = build()
    before = snapshot(s4gan.generator)
    s4gan.train_step(LABELLED, UNLABELLED, 0)
    assert changed(s4gan.generator, before) == set(before)


def test_freeze_bn_keeps_the_running_statistics():
    s4gan = build(replace(SETTINGS, freeze_bn=True))
    before = snapshot(s4gan.generator)
    s4gan.train_step(LABELLED, UNLABELLED, 0)
    statistics = {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert changed(s4gan.generator, before) == set(before) - statistics
    assert len(statistics) == 3 * 16


def test_running_statistics_take_a_tenth_of_each_batch():
    s4gan = build()
    means = [
        s4gan.generator.backbone.conv1(PlainS4GAN.normalised(images, inside)).mean(dim=(0, 2, 3))
        for images, _, inside in (PlainS4GAN.prepare(LABELLED), PlainS4GAN.prepare(UNLABELLED))
    ]
    s4gan.train_step(LABELLED, UNLABELLED, 0)
    expected = 0.9 * 0.1 * means[0] + 0.1 * means[1]  # the labelled batch passed first, both on their own
    torch.testing.assert_close(s4gan.generator.backbone.bn1.running_mean, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("freeze_affine", [False, True])
def test_groups_hold_every_trainable_parameter_once(freeze_affine):
    settings = replace(SETTINGS, learning_rate=1e-3, weight_decay=5e-4, freeze_affine=freeze_affine)
    generator = build(settings).generator
    groups = generator_groups(generator, settings)
    grouped = [id(p) for group in groups for p in group["params"]]
    trainable = [id(p) for p in generator.parameters() if p.requires_grad]
    assert sorted(grouped) == sorted(trainable)
    assert len(set(grouped)) == len(grouped)

    name_of = {id(p): name for name, p in generator.named_parameters()}
    rates: dict[tuple[float, float], set[str]] = {}
    for group in groups:
        key = (round(group["lr"] / 1e-3, 9), group["weight_decay"])
        rates.setdefault(key, set()).update(name_of[id(p)] for p in group["params"])
    norms = {n for n, p in generator.named_parameters() if n.startswith("backbone.") and p.ndim == 1}
    expected = {
        (1, 5e-4): {n for n, p in generator.named_parameters() if n.startswith("backbone.") and p.ndim == 4},
        (1, 0.0): norms,
        (10, 5e-4): {f"head.{n}.weight" for n in range(4)},
        (20, 0.0): {f"head.{n}.bias" for n in range(4)},
    }
    if freeze_affine:
        del expected[1, 0.0]
    assert rates == expected


def test_both_rates_follow_the_poly_schedule():
    s4gan = build(replace(SETTINGS, num_steps=8, learning_rate=0.01, learning_rate_d=0.002, power=2.0))
    s4gan.train_step(LABELLED, UNLABELLED, step=6)  # (1 - 6/8)² = 1/16
    assert s4gan.learning_rates() == pytest.approx({"learning_rate": 0.01 / 16, "learning_rate_D": 0.002 / 16})
    rates = [group["lr"] for group in s4gan.generator_optimiser.param_groups]
    assert rates == pytest.approx([0.01 / 16, 0.01 / 16, 0.1 / 16, 0.2 / 16])
    assert s4gan.discriminator_optimiser.param_groups[0]["lr"] == pytest.approx(0.002 / 16)
    assert s4gan.discriminator_optimiser.defaults["betas"] == (0.9, 0.99)


@pytest.mark.parametrize(
    ("num_steps", "st_start", "expected"), [(20000, None, 1000), (200, None, 10), (19, None, 0), (20000, 7, 7)]
)
def test_self_training_starts_after_a_twentieth_of_the_steps(num_steps, st_start, expected):
    assert S4GANSettings(num_steps, 0.6, st_start=st_start).self_training_start == expected


# What tells the discriminator nothing


def test_real_map_is_one_hot_where_labelled_softmax_where_not_zero_in_the_padding():
    masks = torch.tensor([[[1, 255, 255], [0, 2, 255]]])
    inside = torch.tensor([[[[True, True, False], [True, True, False]]]])
    logits = torch.zeros(1, 3, 2, 3)
    logits[0, :, 0, 1] = torch.tensor([1.0, 2.0, 5.0]).log()  # softmax 1/8, 2/8, 5/8
    expected = torch.zeros(1, 3, 2, 3)
    expected[0, 1, 0, 0] = expected[0, 0, 1, 0] = expected[0, 2, 1, 1] = 1
    expected[0, :, 0, 1] = torch.tensor([0.125, 0.25, 0.625])
    torch.testing.assert_close(real_class_map(masks, logits, inside), expected)


def test_a_label_in_the_padding_is_zero_in_the_real_map():
    inside = torch.tensor([[[[True, False]]]])
    real = real_class_map(torch.tensor([[[1, 1]]]), torch.randn(1, 2, 1, 2), inside)
    assert real[0, :, 0].tolist() == [[0, 0], [1, 0]]


def test_discriminator_sees_images_in_the_unit_range_and_empty_padding():
    s4gan = build()
    seen: list[tuple[Tensor, Tensor]] = []
    modes: list[tuple[bool, bool]] = []
    s4gan.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    s4gan.discriminator.register_forward_pre_hook(
        lambda module, inputs: modes.append((module.training, module.classifier.weight.requires_grad))
    )
    s4gan.discriminator.eval()
    s4gan.train_step(LABELLED, UNLABELLED, 0)
    batches = [LABELLED, UNLABELLED, UNLABELLED]  # real once; fake for the generator, and for itself
    assert modes == [(True, True), (True, False), (True, True)]  # with dropout; frozen in the generator's step
    for (class_map, images), batch in zip(seen, batches, strict=True):
        inside = PlainS4GAN.prepare(batch)[2]
        torch.testing.assert_close(images, batch.image / 255)
        torch.testing.assert_close(class_map.sum(dim=1, keepdim=True), inside)  # probabilities inside, zero outside


def test_batch_on_the_device():
    batch = DeviceBatch.of(LABELLED, CPU, S4GANSettings(1, 0.5, ignore_label=2))
    assert batch.images.dtype == torch.float32
    torch.testing.assert_close(batch.images, LABELLED.image / 255)
    expected = torch.where(LABELLED.mask == 2, torch.tensor(255), LABELLED.mask.long())
    assert torch.equal(batch.masks, expected)
    assert batch.inside.sum(dim=(1, 2, 3)).tolist() == [32 * 28, 20 * 28]
    assert torch.equal(DeviceBatch.of(LABELLED, CPU, S4GANSettings(1, 0.5)).masks, LABELLED.mask.long())


def test_pixels_of_the_ignore_label_are_not_learned_from():
    without = LABELLED._replace(mask=LABELLED.mask.masked_fill(LABELLED.mask == 3, 255))
    first, second = build(replace(SETTINGS, ignore_label=3)), build()
    for s4gan, batch in ((first, LABELLED), (second, without)):
        torch.manual_seed(5)
        s4gan.train_step(batch, UNLABELLED, 0)
    assert not changed(first.generator, snapshot(second.generator))
    assert not changed(first.discriminator, snapshot(second.discriminator))


def test_masks_of_unlabelled_tiles_are_not_read():
    first, second = build(), build()
    for s4gan, masks in ((first, UNLABELLED.mask), (second, torch.full_like(UNLABELLED.mask, 255))):
        torch.manual_seed(5)
        s4gan.train_step(LABELLED, UNLABELLED._replace(mask=masks), 0)
    assert not changed(first.generator, snapshot(second.generator))
    assert not changed(first.discriminator, snapshot(second.discriminator))


# Extremes


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
    first, second = build(dropout=0.0), build(replace(SETTINGS, channels_last=False), dropout=0.0)
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


def test_realness_is_a_probability_without_dropout():
    s4gan = build()
    arguments = torch.rand(2, C, 32, 28), torch.rand(2, 3, 32, 28)
    realness = s4gan.realness(*arguments)
    torch.testing.assert_close(realness, torch.sigmoid(s4gan.discriminator.eval()(*arguments)[0]))
    assert S4GAN(networks()[0], None, SETTINGS, CPU).realness(*arguments) is None


def test_losses_hold_no_graph():
    losses = build().train_step(LABELLED, UNLABELLED, 0)
    assert not any(loss.requires_grad for loss in losses.values())


# Stopping and going on


def test_a_restored_run_goes_on_identically():
    def go_on(s4gan: S4GAN) -> list[float]:
        torch.manual_seed(7)  # of dropout
        return [s4gan.train_step(LABELLED, UNLABELLED, step)["loss_S"].item() for step in (2, 3)]

    whole = build()
    for step in (0, 1):
        whole.train_step(LABELLED, UNLABELLED, step)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    restored = build(seed=1)
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert go_on(restored) == go_on(whole)
    assert not changed(restored.generator, snapshot(whole.generator))
    assert not changed(restored.discriminator, snapshot(whole.discriminator))


def test_a_restored_supervised_run_goes_on_identically():
    whole, restored = (S4GAN(networks(seed)[0], None, SETTINGS, CPU) for seed in (0, 1))
    whole.train_step(LABELLED, None, 0)
    state = copy.deepcopy(whole.state_dict())
    assert not any("discriminator" in name for name in state)
    restored.load_state_dict(state)
    for s4gan in (whole, restored):
        s4gan.train_step(LABELLED, None, 1)
    assert not changed(restored.generator, snapshot(whole.generator))


# Number formats


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_stays_near_float32(precision, dtype):
    seen = set()
    half, single = build(replace(SETTINGS, precision=precision), dropout=0.0), build(dropout=0.0)
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
    s4gan = build(replace(SETTINGS, precision="fp16"))
    s4gan.generator_scaler.load_state_dict(s4gan.generator_scaler.state_dict() | {"scale": 2.0**60})
    before = snapshot(s4gan.generator), snapshot(s4gan.discriminator)
    small = make_batch(3, [(33, 33)] * 2, (33, 33))
    s4gan.train_step(small, small, 0)
    parameters = {name for name, _ in s4gan.generator.named_parameters()}
    assert not changed(s4gan.generator, before[0]) & parameters
    assert not any("momentum_buffer" in state for state in s4gan.generator_optimiser.state.values())
    assert changed(s4gan.discriminator, before[1]) == set(before[1])  # it has a scale of its own
    assert s4gan.state_dict()["generator_scaler"]["scale"] == 2.0**59


# Several processes


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
        s4gan = S4GAN(network, None, settings, CPU)
        sizes.append([(len(g["params"]), g["weight_decay"]) for g in s4gan.generator_optimiser.param_groups])
        S4GAN(network, None, replace(settings, freeze_affine=True), CPU)
    assert sizes[0] == sizes[1]
    norms = [m for m in synchronised.modules() if isinstance(m, nn.SyncBatchNorm)]
    assert len(norms) == sum(isinstance(m, nn.BatchNorm2d) for m in plain.modules())
    assert {m.momentum for m in norms} == {0.3}
    assert not any(p.requires_grad for m in norms for p in m.parameters())
    assert list(synchronised.state_dict()) == list(plain.state_dict())
