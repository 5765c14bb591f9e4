from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from utils.evaluation.evaluate import evaluate
from utils.evaluation.settings import ViewSettings
from utils.evaluation.views import BrokenMapsError, predict_probabilities
from utils.evaluation.windows import Windows

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
    plain, refined = evaluate(outside(spoil), [batch], C, CPU, refine=lambda probabilities, images: probabilities)
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

    white = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    evaluate(network, [make_batch((6, 5), (8, 8), num_tiles=1)._replace(image=white)], C, CPU)
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


# --- Test-time augmentation ------------------------------------------------------------------------------------------


def smoothing(images: Tensor) -> Tensor:
    """A network that looks to the left and tells near from far: neither mirroring nor scaling leaves it alone."""
    shifted = F.pad(images, (3, 0))[..., : images.shape[3]]
    return torch.cat([images, 2 * shifted[:, :1] - images[:, 1:2]], dim=1)


def test_flipped_views_are_mirrored_back_and_averaged_as_probabilities():
    batch = make_batch((30, 20), (40, 40))
    both = predict_probabilities(smoothing, batch, CPU, "fp32", ViewSettings(flip=True))
    alone = predict_probabilities(smoothing, batch, CPU, "fp32")
    mirrored = make_batch((30, 20), (40, 40))
    mirrored.image[:, :, :, :20] = batch.image[:, :, :, :20].flip(3)
    other = predict_probabilities(smoothing, mirrored, CPU, "fp32").flip(3)
    torch.testing.assert_close(both, (alone + other) / 2)
    assert not torch.allclose(alone, other, atol=0.05)


def test_scaled_views_are_brought_back_to_the_tile():
    seen = []

    def network(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape[2:]))
        return smoothing(images)

    batch = make_batch((40, 24), (40, 24))
    views = ViewSettings((0.5, 1.0, 1.5), flip=True)
    probabilities = predict_probabilities(network, batch, CPU, "fp32", views)
    assert seen == [(20, 12), (40, 24), (60, 36)] * 2
    assert probabilities.shape == (2, C, 40, 24)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2, 40, 24))
    single = [predict_probabilities(smoothing, batch, CPU, "fp32", ViewSettings((s,))) for s in views.scales]
    torch.testing.assert_close(
        predict_probabilities(smoothing, batch, CPU, "fp32", ViewSettings(views.scales)),
        torch.stack(single).mean(dim=0),
    )


def test_scaled_views_stay_in_place():
    """A ramp from left to right looks the same at every scale: brought back, it lies where it was."""
    ramp = torch.linspace(0, 255, 64).round().to(torch.uint8).expand(1, 3, 48, 64)
    batch = Batch(ramp, torch.zeros(1, 48, 64, dtype=torch.uint8), torch.tensor([[48, 64]]))
    reds = [
        predict_probabilities(
            lambda images: images[:, :2] * torch.tensor([1.0, 0.0]).view(2, 1, 1), batch, CPU, "fp32", v
        )
        for v in (ViewSettings(), ViewSettings((0.75,)), ViewSettings((1.25,)))
    ]
    for red in reds[1:]:
        torch.testing.assert_close(red[..., 3:-3], reds[0][..., 3:-3], atol=0.01, rtol=0)


def test_augmented_scores_of_a_perfect_network_with_flips_are_one():
    matrix, _ = evaluate(read_classes, [make_batch((30, 20), (40, 40))], C, CPU, views=ViewSettings(flip=True))
    assert matrix.scores().mean_iou == 1


# --- Masks on grids of their own -------------------------------------------------------------------------------------


def test_masks_of_other_sizes_are_scored_on_their_own_grid():
    batch = make_batch((30, 20), (40, 40))
    masks = [torch.zeros(60, 40, dtype=torch.uint8), torch.full((31, 19), 1, dtype=torch.uint8)]
    masks[0][0, 0] = 255

    def ones(images: Tensor) -> Tensor:
        return F.one_hot(torch.ones(images[:, 0].shape).long(), C).permute(0, 3, 1, 2)

    matrix, _ = evaluate(ones, [batch], C, CPU, masks_of=lambda _: masks)
    assert matrix.tiles[0, 0, 1].item() == 60 * 40 - 1
    assert matrix.tiles[1, 1, 1].item() == 31 * 19
    assert matrix.counts.sum().item() == 60 * 40 - 1 + 31 * 19


def test_a_larger_mask_meets_an_edge_where_the_tile_has_it():
    """Halves of a tile: the edge lies in the middle of a mask of any size."""
    image = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    image[..., 8:] = 50
    batch = Batch(image, torch.zeros(1, 16, 16, dtype=torch.uint8), torch.tensor([[16, 16]]))
    for size in ((48, 48), (16, 16), (8, 8)):
        mask = torch.zeros(size, dtype=torch.uint8)
        mask[:, size[1] // 2 :] = 1
        matrix, refined = evaluate(read_classes, [batch], C, CPU, refine=lambda p, _: p, masks_of=lambda _, m=mask: [m])
        assert matrix.scores().pixel_accuracy == 1
        assert torch.equal(matrix.counts, refined.counts)


def test_each_tile_has_a_matrix():
    batch = make_batch((30, 20), (40, 40), num_tiles=3)
    matrix, _ = evaluate(read_classes, [batch, batch], C, CPU)
    known = (batch.mask != 255).sum(dim=(1, 2))
    assert matrix.tiles.sum(dim=(1, 2)).tolist() == known.tolist() * 2


def test_predictions_can_be_kept():
    batch = make_batch((30, 20), (40, 40))
    kept = []
    evaluate(read_classes, [batch], C, CPU, keep=lambda of, prediction: kept.append((of, prediction)))
    assert kept[0][0] is batch
    assert torch.equal(kept[0][1], batch.image[:, 0, :30, :20].long() // 50)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("refine", [None, lambda probabilities, _: probabilities])
def test_maps_that_are_not_finite_are_no_maps(value, refine):
    """One value of the second batch."""
    batches = [make_batch((30, 20), (40, 40))] * 2
    calls = iter((False, True))

    def network(images: Tensor) -> Tensor:
        logits = read_classes(images)
        if next(calls):
            logits[1, 2, 3, 4] = value
        return logits

    with pytest.raises(BrokenMapsError, match="NaN or infinite"):
        evaluate(network, batches, C, CPU, refine=refine)


def test_what_a_network_says_of_the_padding_need_not_be_finite():
    matrix, _ = evaluate(outside(lambda part: part.fill_(float("nan"))), [make_batch((30, 20), (40, 40))], C, CPU)
    assert matrix.scores().mean_iou == 1


# --- tiles that are larger than a window ------------------------------------------------------------------------------

WINDOWS = Windows((16, 16), overlap=0.25)


@pytest.mark.parametrize("masks", ["of the tile", "on a grid of their own"])
def test_tiles_larger_than_a_window_score_as_when_they_are_seen_at_once(masks):
    """With a network that sees a pixel alone, and errs; refined maps are other ones."""
    batch, seen = make_batch((30, 20), (40, 40), num_tiles=3), []
    grids = [patch.repeat_interleave(2, 0)[:59] for patch in batch.mask[:, :30, :20]]
    given = {"masks_of": (lambda _: grids) if masks != "of the tile" else None}

    def network(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape[2:]))
        logits = read_classes(images)
        return logits + 20 * F.one_hot((images[:, 0] > 0.3).long(), C).permute(0, 3, 1, 2)

    def refine(maps: Tensor, images: Tensor) -> Tensor:
        assert maps.shape[2:] == images.shape[2:]
        return maps.roll(1, dims=1)

    expected = evaluate(network, [batch], C, CPU, refine=refine, **given)
    assert set(seen) == {(40, 40)}
    seen.clear()
    found = evaluate(network, [batch], C, CPU, refine=refine, windows=WINDOWS, **given)
    assert set(seen) == {(16, 16)}
    assert expected[0].scores().pixel_accuracy < 1
    for of_windows, at_once in zip(found, expected, strict=True):
        assert torch.equal(of_windows.tiles, at_once.tiles)


def test_predictions_of_large_tiles_can_be_kept():
    batch = make_batch((30, 20), (40, 40))
    kept = []
    evaluate(read_classes, [batch], C, CPU, keep=lambda of, prediction: kept.append((of, prediction)), windows=WINDOWS)
    assert len(kept) == 1
    assert kept[0][0] is batch
    assert torch.equal(kept[0][1].long(), batch.image[:, 0, :30, :20].long() // 50)


@pytest.mark.parametrize("refine", [None, lambda probabilities, _: probabilities])
def test_a_window_that_is_not_finite_makes_no_scores(refine):
    calls = iter(range(100))

    def network(images: Tensor) -> Tensor:
        logits = read_classes(images)
        if next(calls) == 3:  # of the second tile's first row of windows
            logits[0, 2, 3, 4] = float("nan")
        return logits

    with pytest.raises(BrokenMapsError, match="NaN or infinite"):
        evaluate(network, [make_batch((30, 20), (40, 40))], C, CPU, refine=refine, windows=WINDOWS)
