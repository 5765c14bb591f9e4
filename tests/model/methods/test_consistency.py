"""What steps of FixMatch and UniMatch compute: the formulas, their limits, and what they refuse."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch

from model.methods.settings import ConsistencySettings, FixMatchSettings, UniMatchSettings
from model.methods.unimatch import channel_scales
from tests.plain_consistency import PlainConsistency, Viewed, build, make_viewed
from tests.plain_s4gan import LABELLED, Batch, PlainS4GAN, assert_close, changed, make_batch, snapshot
from utils.settings import SettingsError

FIXMATCH = FixMatchSettings(num_steps=10, pseudo_threshold=0.3)
UNIMATCH = UniMatchSettings(num_steps=10, pseudo_threshold=0.3)
BOTH = [FIXMATCH, UNIMATCH]
UNLABELLED = {"fixmatch": make_viewed(2, 1), "unimatch": make_viewed(2, 2)}


def named(settings: ConsistencySettings) -> str:
    return settings.name


@pytest.mark.parametrize(
    ("settings", "threshold"),
    [(FIXMATCH, 0.4), (UNIMATCH, 0.5)],
    ids=["fixmatch", "unimatch"],
)
def test_steps_equal_the_plain_formulas(settings: ConsistencySettings, threshold: float):
    decay = None if settings.ema is None else 0.4
    settings = replace(settings, num_steps=6, learning_rate=1e-3, ema=decay, pseudo_threshold=threshold)
    method = build(settings, sharper=10)
    plain = PlainConsistency(method)
    kept = []
    for step in range(2):
        labelled = make_batch(10 + step, [(32, 28), (20, 28)])
        unlabelled = make_viewed(20 + step, len(method.views))
        losses = method.train_step(labelled, unlabelled, step)
        take = plain.fixmatch_step if settings.name == "fixmatch" else plain.unimatch_step
        expected = take(labelled, unlabelled, step)
        assert {name: losses[name].item() for name in expected} == pytest.approx(expected, abs=1e-4)
        weights = {"loss_ce": 0.5, "loss_u": 0.5, "loss_s1": 0.125, "loss_s2": 0.125, "loss_fp": 0.25}
        total = sum(weight * expected[name] for name, weight in weights.items() if name in expected)
        assert losses["loss_S"].item() == pytest.approx(total, abs=1e-4)
        kept.append(losses["kept"].item())
        assert_close(method.generator, plain.student)
        if plain.teacher is not None:
            assert_close(method.evaluated, plain.teacher)
            plain.teacher.load_state_dict(method.evaluated.state_dict())  # rounding errors do not add up
        plain.student.load_state_dict(method.generator.state_dict())
    assert all(0.05 < share < 0.99 for share in kept)


# --- Limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_above_one_nothing_is_kept_and_the_gradient_is_half_of_that_on_the_labelled_tiles(settings: Any):
    """On the same joint pass, whose input is noted."""
    method = build(replace(settings, pseudo_threshold=1.01, weight_decay=0.0))
    before, seen = copy.deepcopy(method.generator), []
    method.generator.backbone.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].detach().clone()) if module.training else None
    )
    losses = method.train_step(LABELLED, UNLABELLED[method.name], 0)
    of_pseudo_labels = [name for name in losses if name in ("loss_u", "loss_s1", "loss_s2", "loss_fp")]
    assert [losses[name].item() for name in of_pseudo_labels] == [0] * len(of_pseudo_labels) != []
    assert losses["kept"].item() == 0
    assert (losses["pseudo_labels"] == 255).all()
    loss = PlainS4GAN.cross_entropy(before.train()(seen[0])[:2], LABELLED.mask.long())
    loss.backward()
    assert losses["loss_S"].item() == pytest.approx(loss.item() / 2, abs=1e-5)
    for p, whole in zip(method.generator.parameters(), before.parameters(), strict=True):
        assert (2 * p.grad - whole.grad).norm() <= 1e-4 * whole.grad.norm()
        assert whole.grad.norm() > 0


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_at_zero_every_pixel_with_data_is_kept_and_no_other(settings: Any):
    method = build(replace(settings, pseudo_threshold=0.0))
    losses = method.train_step(LABELLED, UNLABELLED[method.name], 0)
    assert losses["kept"].item() == 1
    assert (losses["pseudo_labels"] != 255).sum(dim=(1, 2)).tolist() == [32 * 28, 20 * 28]
    assert (losses["pseudo_labels"][1, 20:] == 255).all()


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_a_full_box_is_the_partner_and_an_empty_one_the_tile(settings: Any):
    """A tile all pasted over by its partner, and the partner itself with nothing pasted in, teach the same."""
    views = 1 if settings.name == "fixmatch" else 2
    sizes = ((32, 28), (32, 28))
    batch = make_viewed(5, views, sizes, sizes)
    full, empty = (torch.tensor(box).expand(2, views, 4) for box in ((0, 0, 32, 28), (0, 0, 0, 0)))
    image, partner = batch.image, batch.partner
    pasted = batch._replace(views=batch.views._replace(box=full))
    alone = Viewed(
        partner.image, partner.mask, partner.size, Batch(image, batch.mask, batch.size),
        batch.views._replace(own=batch.views.partner, partner=batch.views.own, box=empty), batch.seed,
    )  # fmt: skip
    # In evaluation mode UniMatch labels a tile alike as a partner and as itself.
    methods = [build(replace(settings, freeze_bn=True), sharper=10) for _ in range(2)]
    found, expected = (
        method.train_step(LABELLED, tiles, 0) for method, tiles in zip(methods, (pasted, alone), strict=True)
    )
    names = {"loss_u", "loss_s1", "loss_s2", "agreement"} & found.keys()
    assert {n: found[n].item() for n in names} == pytest.approx({n: expected[n].item() for n in names}, abs=1e-6)
    assert max(found[n].item() for n in names) > 0
    if settings.name == "fixmatch":  # UniMatch's perturbed features are the tile's own
        assert_close(methods[0].generator, methods[1].generator)


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_masks_of_unlabelled_tiles_are_not_read(settings: Any):
    first, second = build(settings, sharper=10), build(settings, sharper=10)
    batch = UNLABELLED[settings.name]
    expected = first.train_step(LABELLED, batch, 0)
    found = second.train_step(LABELLED, batch._replace(mask=torch.full_like(batch.mask, 255)), 0)
    assert torch.equal(found["pseudo_labels"], expected["pseudo_labels"])
    assert not changed(first.generator, snapshot(second.generator))


# --- What is drawn, and what is refused -------------------------------------------------------------------------------


def test_half_of_the_channels_are_dropped_by_each_tiles_own_seed():
    scales = channel_scales(torch.tensor([3, 2**62, 3]), 512)
    assert sorted(scales.unique().tolist()) == [0, 2]
    assert scales.mean(dim=1).tolist() == pytest.approx([1, 1, 1], abs=0.15)
    assert torch.equal(scales[0], scales[2])
    assert not torch.equal(scales[0], scales[1])


@pytest.mark.parametrize("settings", BOTH, ids=named)
def test_unlabelled_tiles_without_their_strong_views_are_refused(settings: Any):
    method = build(settings)
    other = UNLABELLED["unimatch" if settings.name == "fixmatch" else "fixmatch"]
    for batch in (LABELLED, other):
        with pytest.raises(ValueError, match=f"{method.name} learns from strong views .* `views={len(method.views)}`"):
            method.train_step(LABELLED, batch, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ema": None}, "fixmatch needs ema, the decay of the teacher that labels, such as 0.996"),
        ({"ema": 1.5}, "ema is 1.5, expected a number of at least 0 and at most 1"),
        ({"pseudo_threshold": -0.1}, "pseudo_threshold is -0.1, expected a number of at least 0"),
        ({"pseudo_threshold": float("nan")}, "pseudo_threshold is nan"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str):
    with pytest.raises(SettingsError, match=message):
        FixMatchSettings(10, **settings)


def test_pseudo_labels_of_a_picture_are_those_that_are_sure():
    method = build(replace(UNIMATCH, pseudo_threshold=0.6))
    probabilities = torch.tensor([[[[0.7, 0.5]], [[0.3, 0.5]]]])
    assert method.pseudo_label(probabilities).tolist() == [[[0, 255]]]
    assert method.no_pseudo_label(None, 3, kept=0.0) == "no pseudo-label: no pixel's confidence is 0.6 or more"
    assert method.no_pseudo_label(None, 3, kept=0.1) == ""
