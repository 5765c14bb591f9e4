"""What a step of s4GAN computes: the formulas, what is frozen and at which rate the rest learns, what D is told."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from model.methods.device_batch import DeviceBatch
from model.methods.parameter_groups import generator_groups
from model.methods.s4gan import S4GAN, real_class_map
from model.methods.settings import Execution, S4GANSettings
from model.methods.supervised import Supervised
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tests.plain_s4gan import (
    CPU,
    LABELLED,
    SETTINGS,
    UNLABELLED,
    C,
    PlainS4GAN,
    assert_close,
    assert_nearly,
    build,
    changed,
    make_batch,
    networks,
    snapshot,
)


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


@pytest.mark.parametrize("unlabelled", [None, UNLABELLED])
def test_supervised_steps_equal_cross_entropy_and_sgd(unlabelled):
    generator, discriminator = networks()
    settings = replace(SETTINGS, learning_rate=1e-3)
    plain = PlainS4GAN(copy.deepcopy(generator), discriminator, settings)
    supervised = Supervised(generator, settings, CPU)
    for step in range(3):
        batch = make_batch(step, [(32, 28), (20, 28)])
        losses = supervised.train_step(batch, unlabelled, step)
        assert losses["loss_S"] == losses["loss_ce"]
        assert losses["loss_ce"].item() == pytest.approx(plain.supervised_step(batch, step), abs=1e-5)
    assert_close(supervised.generator, plain.generator)


def test_losses_hold_no_graph():
    losses = build().train_step(LABELLED, UNLABELLED, 0)
    assert not any(loss.requires_grad for loss in losses.values())


# --- What is frozen, and at which rate the rest learns ----------------------------------------------------------------


def test_frozen_affine_parameters_stay_while_all_else_learns():
    torch.manual_seed(0)
    generator = DeepLabV2(C, "resnet101")
    affine = {
        f"{name}.{kind}"
        for name, module in generator.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for kind in ("weight", "bias")
    }
    s4gan = S4GAN(generator, Discriminator(C), SETTINGS, CPU, Execution(freeze_affine=True))
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
    settings = replace(SETTINGS, learning_rate=1e-3, weight_decay=5e-4)
    generator = build(settings, execution=Execution(freeze_affine=freeze_affine)).generator
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
    s4gan = build(replace(SETTINGS, num_steps=8, learning_rate=0.01, learning_rate_D=0.002, power=2.0))
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
    assert S4GANSettings(num_steps, threshold_st=0.6, st_start=st_start).self_training_start == expected


# --- What tells the discriminator nothing -----------------------------------------------------------------------------


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
    batch = DeviceBatch.of(LABELLED, CPU, ignore_label=2)
    assert batch.images.dtype == torch.float32
    torch.testing.assert_close(batch.images, LABELLED.image / 255)
    expected = torch.where(LABELLED.mask == 2, torch.tensor(255), LABELLED.mask.long())
    assert torch.equal(batch.masks, expected)
    assert batch.inside.sum(dim=(1, 2, 3)).tolist() == [32 * 28, 20 * 28]
    assert torch.equal(DeviceBatch.of(LABELLED, CPU).masks, LABELLED.mask.long())


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


def test_realness_is_a_probability_without_dropout():
    s4gan = build()
    arguments = torch.rand(2, C, 32, 28), torch.rand(2, 3, 32, 28)
    realness = s4gan.realness(*arguments)
    torch.testing.assert_close(realness, torch.sigmoid(s4gan.discriminator.eval()(*arguments)[0]))
    assert Supervised(networks()[0], SETTINGS, CPU).realness(*arguments) is None
