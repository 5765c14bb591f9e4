import copy
import functools
import io
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from model.classifier import Classifier
from model.learner import Learner

CPU = torch.device("cpu")


class Batch(NamedTuple):
    image: Tensor
    label: Tensor
    size: Tensor


def make_tiles(count: int, seed: int = 0, size: tuple[int, int] = (48, 48)) -> Batch:
    """Dark tiles of class 0, bright ones of class 1."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    noise = torch.randint(0, 100, (count, 3, *size), generator=rng)
    images = (noise + 150 * labels[:, None, None, None]).to(torch.uint8)
    return Batch(images, labels, torch.tensor([size] * count))


def in_batches(tiles: Batch, batch_size: int) -> list[Batch]:
    return [Batch(*parts) for parts in zip(*(field.split(batch_size) for field in tiles), strict=True)]


def make_learner(seed: int = 0, precision: str = "fp32", learning_rate: float = 0.01) -> Learner:
    torch.manual_seed(seed)
    return Learner(Classifier("tiny", 2), CPU, precision, learning_rate, momentum=0.9)


def snapshot(learner: Learner) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in learner.classifier.state_dict().items()}


def equal(state: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


def normalised(images: Tensor) -> Tensor:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (images / 255 - mean[:, None, None]) / deviation[:, None, None]


def test_fit_learns_what_can_be_told_apart():
    learner, tiles = make_learner(), make_tiles(12)
    first = learner.fit(in_batches(tiles, 4))
    last = learner.fit(in_batches(tiles, 4) * 6)
    assert last < 0.5 * first
    unseen = make_tiles(20, seed=1)
    predicted = learner.predict_probabilities(in_batches(unseen, 8)).argmax(dim=1)
    assert predicted.tolist() == unseen.label.tolist()


def test_fit_equals_plain_sgd_with_momentum_and_returns_the_last_quarters_loss():
    torch.manual_seed(0)
    classifier = Classifier("tiny", 2)
    classifier.network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 1000))  # convex: rounding errors do not grow
    plain = copy.deepcopy(classifier)
    velocity = {name: torch.zeros_like(p) for name, p in plain.named_parameters()}
    batches = in_batches(make_tiles(16, size=(8, 8)), 2)
    losses = []
    for batch in batches:
        log_probabilities = plain(normalised(batch.image)).log_softmax(dim=1)
        loss = -log_probabilities[torch.arange(2), batch.label].mean()
        gradients = torch.autograd.grad(loss, list(plain.parameters()))
        with torch.no_grad():
            for (name, p), gradient in zip(plain.named_parameters(), gradients, strict=True):
                velocity[name].mul_(0.9).add_(gradient)
                p -= 0.001 * velocity[name]
        losses.append(loss.item())
    learner = Learner(classifier, CPU, "fp32", learning_rate=0.001, momentum=0.9)
    assert learner.fit(batches) == pytest.approx((losses[-2] + losses[-1]) / 2, abs=1e-5)
    assert losses[-1] < 0.9 * losses[0]
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(learner.classifier.state_dict()[name], tensor, atol=1e-6, rtol=0, msg=name)


def test_every_fit_starts_with_a_fresh_optimiser():
    batches = in_batches(make_tiles(8), 4)
    at_once, restored = make_learner(), make_learner(seed=1)
    at_once.fit(batches)
    restored.load_state_dict(copy.deepcopy(at_once.state_dict()))  # weights alone
    at_once.fit(batches)
    restored.fit(batches)
    assert equal(snapshot(at_once), snapshot(restored))


def test_probabilities_are_the_softmax_of_the_network():
    learner, tiles = make_learner(), make_tiles(5)
    learner.fit(in_batches(make_tiles(8), 4))
    network = copy.deepcopy(learner.classifier).eval()
    with torch.no_grad():
        exponentials = network(normalised(tiles.image)).exp()
    expected = exponentials / exponentials.sum(dim=1, keepdim=True)
    probabilities = learner.predict_probabilities(in_batches(tiles, 2))
    torch.testing.assert_close(probabilities, expected)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(5))
    assert (probabilities.dtype, probabilities.shape) == (torch.float32, (5, 2))


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_probabilities_do_not_depend_on_the_batch_size(batch_size):
    learner, tiles = make_learner(), make_tiles(7)
    expected = learner.predict_probabilities(in_batches(tiles, 4))
    assert expected.std(dim=0).min() > 1e-5  # tiles differ, so that order matters
    torch.testing.assert_close(learner.predict_probabilities(in_batches(tiles, batch_size)), expected)


def test_scoring_changes_nothing():
    learner = make_learner()
    learner.fit(in_batches(make_tiles(4), 4))
    before = snapshot(learner)
    first = learner.predict_probabilities(in_batches(make_tiles(6), 3))
    assert equal(snapshot(learner), before)
    assert torch.equal(learner.predict_probabilities(in_batches(make_tiles(6), 3)), first)


def test_padding_reads_as_zero_after_normalising():
    learner, seen = make_learner(), []
    learner.classifier.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    tiles = make_tiles(1)._replace(size=torch.tensor([[40, 30]]))
    learner.predict_probabilities([tiles])
    expected = torch.zeros(1, 3, 48, 48)
    expected[:, :, :40, :30] = normalised(tiles.image)[:, :, :40, :30]
    torch.testing.assert_close(seen[0], expected)


def test_batches_stream_by_one_at_a_time():
    tiles, alive = make_tiles(6), []
    learner = make_learner()
    learner.classifier.register_forward_pre_hook(lambda module, inputs: alive.append("scored"))

    def batches():
        for batch in in_batches(tiles, 2):
            alive.append("read")
            yield batch

    learner.predict_probabilities(batches())
    assert alive == ["read", "scored"] * 3


def test_nothing_to_score_or_to_fit():
    learner = make_learner()
    before = snapshot(learner)
    assert learner.predict_probabilities([]).shape == (0, 2)
    assert str(learner.fit([])) == "nan"
    assert equal(snapshot(learner), before)


def test_a_restored_learner_goes_on_identically():
    whole, restored = make_learner(), make_learner(seed=1)
    whole.fit(in_batches(make_tiles(8), 4))
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    restored.load_state_dict(torch.load(file, weights_only=True))
    tiles = make_tiles(8, seed=3)
    assert whole.fit(in_batches(tiles, 4)) == restored.fit(in_batches(tiles, 4))
    scores = [learner.predict_probabilities(in_batches(tiles, 4)) for learner in (whole, restored)]
    assert torch.equal(*scores)


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_half_precision_learns_like_float32(precision, dtype):
    half, single, seen = make_learner(precision=precision), make_learner(), set()
    half.classifier.head.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    batches = in_batches(make_tiles(12, size=(33, 33)), 4)
    untrained = [learner.predict_probabilities(batches) for learner in (half, single)]
    torch.testing.assert_close(*untrained, atol=0.02, rtol=0)
    assert seen == {dtype}
    assert untrained[0].dtype == torch.float32
    losses = [learner.fit(batches * 5) for learner in (half, single)]
    assert max(losses) < 0.3  # ln 2 at the start


def test_a_first_step_that_overflows_in_fp16_is_left_out(monkeypatch):
    steep = functools.partial(torch.amp.GradScaler, init_scale=2.0**30)
    monkeypatch.setattr(torch.amp, "GradScaler", steep)
    learner, batches = make_learner(precision="fp16"), in_batches(make_tiles(4, size=(33, 33)), 4)
    head = learner.classifier.head.weight
    before = head.detach().clone()
    learner.fit(batches)
    assert torch.equal(head, before)
    assert learner.fit(batches * 25) < 0.5  # halved until it fits; then the steps count
    assert torch.isfinite(learner.predict_probabilities(batches)).all()
