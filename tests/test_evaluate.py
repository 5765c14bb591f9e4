from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from utils.evaluate import evaluate, predict_probabilities

CPU = torch.device("cpu")
C = 4


class Batch(NamedTuple):
    image: Tensor
    mask: Tensor
    size: Tensor


def make_batch(size: tuple[int, int], window: tuple[int, int], num_tiles: int = 2) -> Batch:
    """Tiles whose red channel is 50 × the class, padded right and below; some pixels have no class."""
    rng = torch.Generator().manual_seed(0)
    height, width = size
    ids = torch.randint(0, C, (num_tiles, height, width), generator=rng)
    image = torch.zeros(num_tiles, 3, *window, dtype=torch.uint8)
    image[:, 0, :height, :width] = 50 * ids
    mask = torch.full((num_tiles, *window), 255, dtype=torch.uint8)
    mask[:, :height, :width] = torch.where(torch.rand(ids.shape, generator=rng) < 0.05, 255, ids)
    return Batch(image, mask, torch.tensor([size] * num_tiles))


def read_classes(images: Tensor) -> Tensor:
    """A perfect network for these tiles: the class back from the normalised red channel, as logits."""
    red = (images[:, 0] * 0.229 + 0.485) * 255 / 50
    return 9.0 * F.one_hot(red.round().long().clamp(0, C - 1), C).permute(0, 3, 1, 2)


@pytest.mark.parametrize("size", [(256, 256), (320, 320), (251, 247), (1, 320)])
def test_a_perfect_predictor_scores_exactly_one(size):
    matrix, refined = evaluate(read_classes, [make_batch(size, (320, 320))] * 2, C, CPU)
    scores = matrix.scores()
    assert (scores.pixel_accuracy, scores.mean_accuracy, scores.mean_iou, scores.frequency_weighted_iou) == (1,) * 4
    assert scores.class_iou == (1.0,) * C
    assert refined is None


def test_every_labelled_pixel_counts_once():
    batch = make_batch((30, 20), (40, 40), num_tiles=3)
    matrix, _ = evaluate(read_classes, [batch, batch], C, CPU)
    assert matrix.counts.sum().item() == 2 * (batch.mask != 255).sum().item()
    assert 0.9 * 6 * 600 < matrix.counts.sum().item() < 6 * 600


def outside(change: Callable[[Tensor], None]) -> Callable[[Tensor], Tensor]:
    def network(images: Tensor) -> Tensor:
        logits = read_classes(images)
        change(logits[:, :, 30:])
        change(logits[:, :, :, 20:])
        return logits

    return network


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9])
def test_predictions_in_the_padding_change_nothing(value):
    def spoil(logits: Tensor) -> None:
        logits[:, 1] = value

    batch = make_batch((30, 20), (40, 40))
    refine = lambda probabilities, images: probabilities  # noqa: E731
    plain, refined = evaluate(outside(spoil), [batch], C, CPU, refine=refine)
    expected, _ = evaluate(read_classes, [batch], C, CPU)
    assert torch.equal(plain.counts, expected.counts)
    assert torch.equal(refined.counts, expected.counts)


def test_truth_in_the_padding_does_not_count():
    batch = make_batch((30, 20), (40, 40))
    batch.mask[:, 30:] = 2
    matrix, _ = evaluate(read_classes, [batch], C, CPU)
    assert matrix.counts.sum().item() == (batch.mask[:, :30, :20] != 255).sum().item()


def test_a_wrong_pixel_counts_as_wrong():
    def one_wrong(images: Tensor) -> Tensor:
        logits = read_classes(images)
        logits[0, :, 0, 0] = logits[0, :, 0, 0].roll(1)
        return logits

    batch = make_batch((8, 8), (8, 8), num_tiles=1)
    batch.mask[0, 0, 0] = batch.image[0, 0, 0, 0] // 50
    matrix, _ = evaluate(one_wrong, [batch], C, CPU)
    truth = int(batch.mask[0, 0, 0])
    wrong = matrix.counts.clone().fill_diagonal_(0)
    assert wrong.nonzero().tolist() == [[truth, (truth + 1) % C]]
    assert wrong.sum().item() == 1


def test_network_sees_normalised_images_with_zero_padding():
    seen = []

    def network(images: Tensor) -> Tensor:
        seen.append(images)
        return torch.zeros(len(images), C, *images.shape[2:])

    evaluate(network, [make_batch((6, 5), (8, 8), num_tiles=1)._replace(image=torch.full((1, 3, 8, 8), 255))], C, CPU)
    expected = torch.tensor([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    torch.testing.assert_close(seen[0][0, :, :6, :5], expected[:, None, None].expand(3, 6, 5))
    assert seen[0][:, :, 6:].abs().max() == 0
    assert seen[0][:, :, :, 5:].abs().max() == 0


def test_probabilities_are_the_softmax_inside_the_padding():
    logits = torch.randn(2, C, 8, 8)
    probabilities = predict_probabilities(lambda images: logits, make_batch((6, 5), (8, 8)), CPU, "fp32")
    expected = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    torch.testing.assert_close(probabilities, expected[:, :, :6, :5])


def test_refined_maps_are_counted_apart():
    seen = []

    def always_two(probabilities: Tensor, images: Tensor) -> Tensor:
        seen.append((probabilities.shape, images.shape, images.dtype))
        return F.one_hot(torch.full((2, 30, 20), 2), C).permute(0, 3, 1, 2)

    batch = make_batch((30, 20), (40, 40))
    plain, refined = evaluate(read_classes, [batch], C, CPU, refine=always_two)
    assert seen == [((2, C, 30, 20), (2, 3, 30, 20), torch.uint8)]
    assert plain.scores().pixel_accuracy == 1
    assert refined.counts.sum(dim=0).nonzero().flatten().tolist() == [2]


def test_precision_reaches_the_network():
    weight, seen = torch.ones(C, 3, 1, 1), []

    def network(images: Tensor) -> Tensor:
        seen.append(F.conv2d(images, weight))
        return seen[-1]

    batch = make_batch((8, 8), (8, 8))
    evaluate(network, [batch], C, CPU, "bf16")
    assert seen[0].dtype == torch.bfloat16
    assert predict_probabilities(network, batch, CPU, "bf16").dtype == torch.float32


def test_no_batches_give_no_scores():
    matrix, _ = evaluate(read_classes, [], C, CPU)
    assert matrix.scores().mean_iou is None
