"""Pixels without data are padding: a step on tiles with nodata is the step on the same tiles padded there."""

import copy

import pytest
import torch
from torch import Tensor

from model.methods.s4gan import S4GAN
from model.methods.supervised import Supervised
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tests.plain_s4gan import CPU, SETTINGS, Batch, C, make_batch
from utils.imagery.pixels import IMAGENET_MEAN, IMAGENET_STD, PixelFormat

SIZES = [(32, 20), (20, 28)]
WITH_VALIDITY = PixelFormat(IMAGENET_MEAN, IMAGENET_STD, has_validity=True)


def as_nodata(padded: Batch) -> Batch:
    """The same tiles, whose padding is ground without data: some values stand there, in images and in masks."""
    height, width = padded.image.shape[2:]
    image, mask = padded.image.clone(), padded.mask.clone()
    valid = torch.zeros(len(image), 1, height, width, dtype=torch.uint8)
    for row, (h, w) in enumerate(padded.size.tolist()):
        valid[row, :, :h, :w] = 255
    outside = valid.squeeze(1) == 0
    image = image.masked_fill(outside.unsqueeze(1), 77)
    mask = mask.masked_fill(outside, 1)
    valid[:, :, -1, -1] = 254  # resized from a neighbour with data: there are none here
    return Batch(torch.cat([image, valid], dim=1), mask, torch.tensor([[height, width]] * len(image)))


def networks() -> tuple[DeepLabV2, Discriminator]:
    torch.manual_seed(3)
    return DeepLabV2(C, "tiny"), Discriminator(C, dropout=0.0)


def assert_same(losses: dict[str, Tensor], others: dict[str, Tensor]) -> None:
    assert losses.keys() == others.keys()
    assert all(torch.equal(losses[name], others[name]) for name in losses)


@pytest.mark.parametrize("steps", [2])
def test_s4gan_neither_learns_from_nodata_nor_judges_it(steps: int):
    padded_method = S4GAN(*networks(), SETTINGS, CPU)
    method = S4GAN(*networks(), SETTINGS, CPU, pixels=WITH_VALIDITY)
    for step in range(steps):
        labelled, unlabelled = make_batch(step, SIZES), make_batch(9 + step, SIZES)
        expected = padded_method.train_step(labelled, unlabelled, step)
        assert_same(method.train_step(as_nodata(labelled), as_nodata(unlabelled), step), expected)
    for network, other in zip(method.networks().values(), padded_method.networks().values(), strict=True):
        assert all(
            torch.equal(a, b) for a, b in zip(network.state_dict().values(), other.state_dict().values(), strict=True)
        )


def test_supervised_training_does_not_learn_from_nodata():
    padded_method = Supervised(networks()[0], SETTINGS, CPU)
    method = Supervised(networks()[0], SETTINGS, CPU, pixels=WITH_VALIDITY)
    batch = make_batch(1, SIZES)
    assert_same(method.train_step(as_nodata(batch), None, 0), padded_method.train_step(batch, None, 0))


def test_four_bands_are_learned_from():
    pixels = PixelFormat((0.4, 0.4, 0.4, 0.2), (0.2, 0.2, 0.2, 0.1), has_validity=True)
    torch.manual_seed(0)
    method = S4GAN.build(DeepLabV2(C, "tiny", bands=4), SETTINGS, CPU, pixels=pixels)

    def with_infrared(batch: Batch) -> Batch:
        image = torch.cat([batch.image, batch.image[:, :1], torch.full_like(batch.image[:, :1], 255)], dim=1)
        return batch._replace(image=image)

    before = copy.deepcopy(method.generator.backbone.conv1.weight)
    losses = method.train_step(with_infrared(make_batch(0, SIZES)), with_infrared(make_batch(1, SIZES)), 0)
    assert torch.isfinite(losses["loss_S"])
    assert (method.generator.backbone.conv1.weight != before)[:, 3].any()
