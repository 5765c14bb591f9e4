import numpy as np
import pytest
import torch
from torch import Tensor

from utils.evaluation.windows import blended_strips, raised_cosine, window_starts

WINDOW = (16, 24)


def pixel_classifier(images: Tensor) -> Tensor:
    """A network that looks at single pixels: the softmax of four mixtures of a pixel's colour."""
    mixtures = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0], [-1.0, 0.5, 0.2], [0.3, 0.3, -0.9]])
    return torch.einsum("kc,bchw->bkhw", mixtures, images.float() / 64).softmax(dim=1)


def stitched(images: Tensor, classify=pixel_classifier, overlap: float = 0.25, batch_size: int = 3) -> Tensor:
    strips = list(blended_strips(images, classify, WINDOW, overlap, batch_size))
    tops = np.cumsum([0, *(strip.shape[2] for _, strip in strips)])
    assert [top for top, _ in strips] == tops[:-1].tolist()
    return torch.cat([strip for _, strip in strips], dim=2)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize(
    "size",
    [(16, 24), (17, 25), (53, 101), (32, 48), (7, 9), (1, 1), (16, 200), (100, 24), (5, 61), (61, 5)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def test_a_network_of_single_pixels_gives_the_same_stitched_and_directly(size, overlap):
    images = draw(1, 3, *size)
    result = stitched(images, overlap=overlap)
    assert result.shape == (1, 4, *size)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, pixel_classifier(images), rtol=1e-5, atol=1e-7)


def test_several_images_of_one_size_at_once():
    images = draw(5, 3, 33, 40)
    torch.testing.assert_close(stitched(images), pixel_classifier(images), rtol=1e-5, atol=1e-7)


def test_windows_have_the_asked_size_and_batches_are_full():
    shapes = []

    def classify(images: Tensor) -> Tensor:
        shapes.append(tuple(images.shape))
        return pixel_classifier(images)

    stitched(draw(1, 3, 16, 24 + 18 * 4), classify)  # five windows with a quarter in common
    assert shapes == [(3, 3, 16, 24), (2, 3, 16, 24)]
    shapes.clear()
    stitched(draw(1, 3, 9, 200), classify, batch_size=100)  # lower than a window
    assert shapes == [(11, 3, 9, 24)]


def test_the_middle_of_a_window_counts_most():
    images = draw(1, 3, 16, 42)  # two windows, 0..23 and 18..41

    def classify(crops: Tensor) -> Tensor:
        numbers = torch.arange(len(crops), dtype=torch.float32).view(-1, 1, 1, 1)
        return numbers.expand(len(crops), 1, *crops.shape[2:])

    share_of_second = stitched(images, classify)[0, 0, 0]
    assert (share_of_second[:18] == 0).all()
    assert (share_of_second[24:] == 1).all()
    blend = share_of_second[18:24]
    assert (blend.diff() > 0).all()
    assert blend[0] < 0.05
    torch.testing.assert_close(blend + blend.flip(0), torch.ones(6))


@pytest.mark.parametrize("overlap", [0, 0.3, 0.99])
@pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 63, 64, 65, 1000])
def test_windows_cover_every_pixel_and_share_what_was_asked(size, overlap):
    window = min(32, size)
    starts = window_starts(size, window, overlap)
    covered = np.zeros(size, int)
    for start in starts:
        covered[start : start + window] += 1
    assert covered.min() >= 1
    assert starts[0] == 0
    assert starts[-1] == size - window
    steps = np.diff(starts)
    assert (steps >= 1).all()
    assert (steps <= max(1, window - int(overlap * window))).all()
    assert len(steps) == 0 or steps.max() - steps.min() <= 1  # evenly spread


@pytest.mark.parametrize("length", [1, 2, 7, 256, 2048])
def test_weights_are_symmetric_rise_to_the_middle_and_are_never_zero(length):
    weights = raised_cosine(length)
    assert weights.dtype == torch.float32
    assert weights.min() > 0
    assert weights.max() <= 1
    torch.testing.assert_close(weights, weights.flip(0))
    assert (weights[: (length + 1) // 2].diff() > 0).all()
