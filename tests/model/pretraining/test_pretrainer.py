"""A step of pre-training: what is learned, in parts and in several processes, and what a resumed run needs."""

import io
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from model.networks.resnet import build_encoder
from model.pretraining.pretrainer import Pretrainer, parameter_groups
from model.pretraining.settings import TaskSettings
from model.pretraining.tasks import LEAST_WIDTH
from tests.utils.compute.test_distributed import in_processes
from utils.augmentation.parameters import Appearance
from utils.compute import distributed
from utils.imagery.pixels import PixelFormat

CPU = torch.device("cpu")
FOUR = PixelFormat((0.5,) * 4, (0.2,) * 4, has_validity=True)


class Batch(NamedTuple):
    image: Tensor
    appearance: Appearance
    label: Tensor


class Tiles(NamedTuple):
    image: Tensor
    size: Tensor


def make_batch(count: int = 8, views: int = 2, channels: int = 3, seed: int = 0) -> Batch:
    """Dark and bright tiles of two classes, with noise."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 100, (count, views, channels, 16, 16), generator=rng)
    images = (noise + 150 * labels.view(-1, 1, 1, 1, 1)).to(torch.uint8)
    one, none = torch.ones(count, views), torch.zeros(count, views)
    return Batch(images, Appearance(one, one, one, none, none.bool(), none), labels)


def build(task: str = "self", steps: int = 20, pixels: PixelFormat | None = None, plain: bool = False) -> Pretrainer:
    torch.manual_seed(0)
    given = {} if pixels is None else {"pixels": pixels}
    bands = 3 if pixels is None else pixels.bands
    encoder, features = (
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * 256, 12)), 12) if plain else build_encoder("tiny", bands)
    )
    pretrainer = Pretrainer(encoder, features, TaskSettings(task, learning_rate=0.003), steps, CPU, classes=2, **given)
    if plain:  # statistics of a batch are those of a process's share on a CPU
        for name, module in pretrainer.head.named_modules():
            if isinstance(module, nn.BatchNorm1d):
                parent, _, child = name.rpartition(".")
                setattr(pretrainer.head.get_submodule(parent), child, nn.Identity())
    return pretrainer


@pytest.mark.parametrize("task", ["self", "scenes"])
def test_the_loss_falls_and_is_what_is_watched(task: str):
    pretrainer, losses = build(task), []
    for step in range(20):
        watched = pretrainer.train_step(make_batch(seed=step, views=2 if task == "self" else 1), step)
        assert {*watched} == {*pretrainer.watched, "broken_step"}
        losses.append(float(watched["loss"]))
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    if task == "scenes":
        assert float(watched["accuracy"]) == 1
    else:
        terms = [float(watched[name]) for name in ("invariance", "variance", "covariance")]
        assert losses[-1] == pytest.approx(25 * terms[0] + 25 * terms[1] + terms[2], rel=1e-5)


@pytest.mark.parametrize("task", ["self", "scenes"])
def test_gradients_of_two_processes_are_those_of_one(task: str):
    batch = make_batch(views=2 if task == "self" else 1)

    def step(rank: int, processes: int) -> tuple[list[Tensor], dict[str, float]]:
        pretrainer = build(task, plain=True)
        share = Batch(
            batch.image.chunk(processes)[rank],
            Appearance(*(values.chunk(processes)[rank] for values in batch.appearance)),
            batch.label.chunk(processes)[rank],
        )
        watched = pretrainer.train_step(share, 0)
        values = {name: distributed.total(watched[name]).item() for name in pretrainer.watched}
        return [p.grad for p in pretrainer.networks.parameters()], values

    expected, expected_values = step(0, 1)
    for gradients, values in in_processes(2, lambda: step(distributed.rank(), 2)):
        assert values == pytest.approx(expected_values, rel=1e-5)
        for gradient, whole in zip(gradients, expected, strict=True):
            assert (gradient - whole).norm() <= 1e-5 * whole.norm()
            assert whole.norm() > 0


def test_a_restored_pretrainer_goes_on_identically():
    whole, restored = build(), build()
    for step in range(3):
        whole.train_step(make_batch(seed=step), step)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    restored.load_state_dict(torch.load(file, weights_only=True))
    for step in range(3, 5):
        losses = [p.train_step(make_batch(seed=step), step)["loss"] for p in (whole, restored)]
        assert torch.equal(*losses)
    for name, tensor in whole.networks.state_dict().items():
        assert torch.equal(tensor, restored.networks.state_dict()[name]), name


def test_colours_change_before_normalising_and_missing_data_stay_zero():
    seen: list[Tensor] = []
    pretrainer = build(pixels=FOUR)
    pretrainer.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    batch = make_batch(4, channels=5)
    batch.image[:, :, :-1], batch.image[:, :, -1] = 102, 255
    batch.image[1, 0, -1, :8] = 0  # no data in the upper half of the first view
    dimmed = batch.appearance._replace(brightness=torch.arange(8).view(4, 2, 1).expand(4, 2, 4) / 8)
    pretrainer.train_step(batch._replace(appearance=dimmed), 0)
    first, second = seen[0].chunk(2)  # the first views of all tiles, then the second
    assert first[2, 0, 0, 0] == pytest.approx((0.4 * 4 / 8 - 0.5) / 0.2, abs=1e-6)
    assert second[1, 3, 0, 0] == pytest.approx((0.4 * 3 / 8 - 0.5) / 0.2)
    assert (first[1, :, :8] == 0).all()
    assert (first[1, :, 8:] != 0).all()


def test_a_loss_that_is_not_finite_is_remembered():
    pretrainer = build("scenes")
    with torch.no_grad():
        pretrainer.head.classifier.weight.fill_(float("nan"))
    assert pretrainer.train_step(make_batch(views=1), 4)["broken_step"] == 5
    assert pretrainer.train_step(make_batch(views=1), 5)["broken_step"] == 5


def test_features_are_those_of_whole_tiles_and_change_nothing():
    pretrainer = build()
    pretrainer.train_step(make_batch(), 0)
    before = {name: tensor.clone() for name, tensor in pretrainer.networks.state_dict().items()}
    images = make_batch(6).image[:, 0]
    tiles = [Tiles(part, torch.tensor([[16, 16]] * len(part))) for part in images.split(4)]
    found = pretrainer.features(tiles)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = pretrainer.encoder((images / 255 - mean[:, None, None]) / deviation[:, None, None])
    torch.testing.assert_close(found, expected)
    assert found.shape == (6, 512)
    assert all(torch.equal(tensor, before[name]) for name, tensor in pretrainer.networks.state_dict().items())


def test_weights_decay_and_scales_and_biases_do_not():
    pretrainer = build()
    decaying, others = parameter_groups(pretrainer.networks, 0.1)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in decaying["params"]} == {2, 4}
    assert {p.ndim for p in others["params"]} == {1}
    assert len(decaying["params"]) + len(others["params"]) == len(list(pretrainer.networks.parameters()))
    assert pretrainer.head.expander[-1].out_features == LEAST_WIDTH


def test_a_run_has_the_steps_that_draw_each_tile_so_often():
    assert TaskSettings().num_steps(126, 64) == 197  # 100 epochs of 126 tiles
    assert TaskSettings("scenes").num_steps(128, 64) == 40
    assert TaskSettings(num_epochs=3).num_steps(10, 4) == 8
