import copy
import functools
import io
import weakref
from typing import NamedTuple

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor, nn

from model.learning.learner import Learner, Scores, ScoreTable
from model.networks.classifier import FEATURES, Classifier
from tests.files import contiguous

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
    learner.classifier.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    tiles = make_tiles(1)._replace(size=torch.tensor([[40, 30]]))
    learner.predict_probabilities([tiles])
    expected = torch.zeros(1, 3, 48, 48)
    expected[:, :, :40, :30] = normalised(tiles.image)[:, :, :40, :30]
    torch.testing.assert_close(seen[0], expected)


def test_batches_stream_by_one_at_a_time():
    tiles, alive = make_tiles(6), []
    learner = make_learner()
    learner.classifier.network.register_forward_pre_hook(lambda module, inputs: alive.append("scored"))

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
    half.classifier.network.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    half.classifier.head.register_forward_hook(lambda module, inputs, output: seen.add(("last", output.dtype)))
    batches = in_batches(make_tiles(12, size=(33, 33)), 4)
    untrained = [learner.predict_probabilities(batches) for learner in (half, single)]
    torch.testing.assert_close(*untrained, atol=0.02, rtol=0)
    assert seen == {dtype, ("last", torch.float32)}
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


# --- a fit in parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_saved", [lambda state: state, contiguous], ids=["as it lay", "contiguous"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_fit_broken_off_and_restored_ends_identically(precision, as_saved):
    batches = in_batches(make_tiles(20), 4)
    whole, first, second = (make_learner(seed, precision) for seed in (0, 0, 1))
    losses = [loss.item() for loss in whole.fit_batches(batches)]
    before = [loss.item() for _, loss in zip(range(3), first.fit_batches(batches), strict=False)]
    file = io.BytesIO()
    torch.save(as_saved(first.state_dict()), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    after = [loss.item() for loss in second.fit_batches(batches[3:])]
    assert before + after == losses
    assert equal(snapshot(whole), snapshot(second))
    whole.fit(batches)
    second.fit(batches)  # both with a fresh optimiser
    assert equal(snapshot(whole), snapshot(second))


def test_tiles_without_a_label_are_not_learned_from():
    tiles = make_tiles(6)
    some, marked = make_learner(), make_learner()
    labels = tiles.label.clone()
    labels[[1, 4]] = -2
    kept = torch.tensor([0, 2, 3, 5])
    assert some.fit([Batch(*(field[kept] for field in tiles))]) == marked.fit([tiles._replace(label=labels)])
    assert equal(snapshot(some), snapshot(marked))


def test_a_batch_without_any_label_changes_nothing():
    learner, tiles = make_learner(), make_tiles(3)
    before = snapshot(learner)
    learner.fit([tiles._replace(label=torch.full((3,), -1)), None])
    assert equal(snapshot(learner), before)


def test_a_single_tile_can_be_learned_from_where_its_map_is_one_pixel():
    learner, tile = make_learner(), make_tiles(1, size=(16, 16))
    losses = [learner.fit([tile] * 8) for _ in range(2)]
    assert losses[1] < losses[0]


# --- scores -----------------------------------------------------------------------------------------------------------


def test_features_are_the_input_of_the_last_layer():
    learner, tiles = make_learner(), make_tiles(5)
    scores = learner.score(in_batches(tiles, 2), with_features=True)
    assert scores.features is not None
    assert scores.features.shape == (5, FEATURES)
    assert scores.disagreement is None
    with torch.no_grad():
        expected = learner.classifier.head(scores.features).softmax(dim=1)
    torch.testing.assert_close(scores.probabilities, expected)


class Dropping(nn.Module):
    """A network with dropout of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 64), nn.Dropout(0.4), nn.Linear(64, FEATURES))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


@pytest.mark.parametrize("has_dropout", [False, True])
def test_disagreement_equals_the_formula_on_passes_of_the_same_masks(has_dropout):
    torch.manual_seed(0)
    classifier = Classifier("tiny", 4)
    classifier.network = Dropping() if has_dropout else nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, FEATURES))
    learner, tiles = Learner(classifier, CPU, "fp32", 0.01, 0.9), make_tiles(6, size=(8, 8))
    before = torch.get_rng_state()
    scores = next(iter(learner.score_batches([tiles], passes=7, seed=(5, 2), first_batch=3)))
    assert torch.equal(torch.get_rng_state(), before)
    assert not classifier.network.training

    torch.manual_seed(int(np.random.SeedSequence([5, 2, 3]).generate_state(1, np.uint64)[0]))
    images = normalised(tiles.image)
    with torch.no_grad():
        features = classifier.network(images)
        classifier.network.train()
        hidden = [classifier.network(images) if has_dropout else nn.functional.dropout(features) for _ in range(7)]
        samples = torch.stack([classifier.head(h).softmax(dim=1) for h in hidden]).double().numpy()
    expected = scipy.stats.entropy(samples.mean(axis=0), axis=1) - scipy.stats.entropy(samples, axis=2).mean(axis=0)
    assert scores.disagreement is not None
    np.testing.assert_allclose(scores.disagreement.numpy(), expected, atol=1e-6)
    assert expected.min() > 1e-4
    torch.testing.assert_close(scores.probabilities, learner.predict_probabilities([tiles]))  # without dropout


@pytest.mark.parametrize("has_dropout", [False, True])
def test_a_learner_whose_passes_drop_out_trains_so_too(has_dropout):
    """Half of the features before the last layer, where the network drops out nothing by itself."""

    def build(drops_out: bool) -> Learner:
        torch.manual_seed(0)
        classifier = Classifier("tiny", 2)
        network = Dropping() if has_dropout else nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, FEATURES))
        classifier.network = network
        return Learner(classifier, CPU, "fp32", 0.01, 0.9, drops_out=drops_out)

    seen: list[Tensor] = []
    batches = in_batches(make_tiles(4, size=(8, 8)), 4)
    learner, plain = build(True), build(False)
    hook = learner.classifier.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    torch.manual_seed(1)
    learner.fit(batches)
    hook.remove()
    dropped = float((seen[0] == 0).float().mean())
    assert (0.45 < dropped < 0.55) == (not has_dropout)
    torch.manual_seed(1)
    plain.fit(batches)
    assert equal(snapshot(learner), snapshot(plain)) == has_dropout  # its own dropout was at work before
    assert torch.equal(learner.predict_probabilities(batches), learner.predict_probabilities(batches))


def test_dropout_depends_on_the_number_of_a_batch_alone():
    learner, batches = make_learner(), in_batches(make_tiles(8), 2)
    whole = learner.score(batches, passes=3).disagreement
    parts = [s.disagreement for s in learner.score_batches(batches[2:], passes=3, first_batch=2)]
    assert whole is not None
    assert torch.equal(torch.cat(parts), whole[4:])
    other = [s.disagreement for s in learner.score_batches(batches[2:], passes=3, first_batch=3)]
    assert not torch.equal(torch.cat(other), whole[4:])


def test_scoring_keeps_nothing_of_a_batch():
    learner, alive = make_learner(), []

    def batches():
        for batch in in_batches(make_tiles(24, size=(16, 16)), 2):
            copied = Batch(*(field.clone() for field in batch))
            alive.append(weakref.ref(copied.image))
            assert sum(image() is not None for image in alive) <= 2  # this one and the one just scored
            yield copied

    scores = learner.score(batches(), passes=2, with_features=True)
    assert len(scores.probabilities) == 24
    assert len(alive) == 12


def test_a_table_grows_in_place_and_is_restored():
    table, parts = (
        ScoreTable(3, 5, True),
        [Scores(torch.rand(n, 3), torch.rand(n, 5), torch.rand(n)) for n in (4, 4, 1)],
    )
    assert [tuple(part.shape) for part in table.scores()] == [(0, 3), (0, 5), (0,)]
    for part in parts:
        table.add(part)
    for name, rows in table.scores()._asdict().items():
        assert torch.equal(rows, torch.cat([getattr(part, name) for part in parts]))
    restored = ScoreTable(3, 5, True)
    restored.load_state_dict(table.state_dict())
    restored.add(parts[0])
    assert restored.batches == 4
    assert torch.equal(restored.scores().features, torch.cat([p.features for p in (*parts, parts[0])]))
    empty = ScoreTable(3)
    empty.load_state_dict(ScoreTable(3).state_dict())
    assert (empty.batches, len(empty.scores().probabilities)) == (0, 0)
