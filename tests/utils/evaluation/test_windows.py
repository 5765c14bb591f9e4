from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from utils.batches import ImageBatch
from utils.evaluation.windows import (
    ArrayImage,
    WindowPlan,
    Windows,
    classified_pieces,
    largest_window,
    strips_of,
    window_batch,
    window_spans,
)

WINDOW = (16, 24)


def pixel_classifier(windows: ImageBatch) -> Tensor:
    """A network that looks at single pixels: the softmax of four mixtures of a pixel's colour."""
    mixtures = torch.tensor([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0], [-1.0, 0.5, 0.2], [0.3, 0.3, -0.9]])
    height, width = windows.size[0].tolist()
    images = windows.image[:, :, :height, :width].float()
    return torch.einsum("kc,bchw->bkhw", mixtures, images / 64).softmax(dim=1)


def stitched(image: np.ndarray, windows: Windows, classify=pixel_classifier, at_once: int = 3, rows=None) -> Tensor:
    plan = windows.plan(image.shape[:2])
    pieces = classified_pieces(ArrayImage(image), plan, classify, at_once, rows)
    strips = list(strips_of(pieces, plan.size[1], lambda maps: maps))
    tops = np.cumsum([strips[0][0], *(strip.shape[1] for _, strip in strips)])
    assert [top for top, _ in strips] == tops[:-1].tolist()
    return torch.cat([strip for _, strip in strips], dim=1)


def direct(image: np.ndarray) -> Tensor:
    return pixel_classifier(window_batch([image], image.shape[:2]))[0]


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize(
    "size",
    [(16, 24), (17, 25), (53, 101), (32, 48), (7, 9), (1, 1), (16, 200), (100, 24), (5, 61), (61, 5)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
@pytest.mark.parametrize("least", [(0, 0), WINDOW])
def test_a_network_of_single_pixels_gives_the_same_in_windows_and_at_once(size, overlap, least):
    image = draw(*size, 3)
    result = stitched(image, Windows(WINDOW, least, overlap))
    assert (result.shape, result.dtype) == ((4, *size), torch.float32)
    torch.testing.assert_close(result, direct(image), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("overlap", [0, 0.125, 0.3, 0.99])
@pytest.mark.parametrize("size", [1, 31, 32, 33, 63, 64, 65, 97, 1000])
def test_windows_cover_a_side_are_few_and_keep_each_pixel_once(size, overlap):
    spans = window_spans(size, 32, overlap)
    shared = int(32 * overlap)
    assert spans[0].start == spans[0].first == 0
    assert spans[-1].stop == spans[-1].last == size
    assert len({span.stop - span.start for span in spans}) == 1
    assert spans[0].stop <= 32
    assert len(spans) == (1 if size <= 32 else -(-(size - shared) // (32 - shared)))
    for span, following in pairwise(spans):
        assert span.last == following.first
        assert span.stop - following.start >= shared
        assert min(span.stop - span.last, following.first - following.start) >= shared // 2  # context of both
    distances = np.diff([span.start for span in spans])
    assert len(distances) == 0 or distances.max() - distances.min() <= 1


def computed(plan: WindowPlan) -> float:
    """Pixels that the network sees over those of the image."""
    pixels = len(plan.rows) * len(plan.columns) * plan.window[0] * plan.window[1]
    return pixels / (plan.size[0] * plan.size[1])


def test_few_pixels_are_computed_twice():
    assert Windows().plan((768, 700)).is_single
    assert Windows().plan((1280, 1280)).window == (768, 768)
    assert computed(Windows().plan((1280, 1280))) < 1.45
    assert computed(Windows().plan((4000, 4000))) < 1.34
    assert computed(Windows((256, 256)).plan((4000, 4000))) < 1.4


def test_windows_fill_batches_that_stay_in_a_row_and_small_images_are_padded():
    shapes, sizes = [], []

    def classify(windows: ImageBatch) -> Tensor:
        shapes.append(tuple(windows.image.shape))
        sizes.append(windows.size.tolist())
        return pixel_classifier(windows)

    stitched(draw(32, 24 * 4, 3), Windows(WINDOW, overlap=0), classify)
    assert shapes == [(3, 3, 16, 24), (1, 3, 16, 24)] * 2
    shapes.clear()
    sizes.clear()
    stitched(draw(9, 48, 3), Windows(WINDOW, (12, 12), 0), classify)  # lower than a window, and than a crop
    assert (shapes, sizes) == ([(2, 3, 12, 24)], [[[9, 24]] * 2])


def test_rows_of_windows_can_be_made_alone():
    image, windows = draw(70, 60, 3), Windows(WINDOW, overlap=0.25)
    plan, whole = windows.plan((70, 60)), stitched(image, windows)
    for number, row in enumerate(plan.rows):
        assert torch.equal(stitched(image, windows, rows=[number]), whole[:, row.first : row.last])


def test_the_image_is_read_in_windows_and_no_further_ahead_than_two_batches():
    done, ahead = [], []

    class Watched(ArrayImage):
        def read(self, top, left, height, width):
            assert (height, width) == WINDOW
            ahead.append(len(ahead) - len(done))
            return super().read(top, left, height, width)

    plan = Windows(WINDOW, overlap=0).plan((16, 24 * 6))
    for piece in classified_pieces(Watched(draw(16, 24 * 6, 3)), plan, pixel_classifier, 1):
        done.append(piece)
    assert len(ahead) == 6
    assert max(ahead) <= 2


def test_windows_that_show_nothing_are_left_out():
    seen = []

    class Gaps(ArrayImage):
        def read(self, top, left, height, width):
            return None if top == 0 or left == 24 else super().read(top, left, height, width)

    def classify(windows: ImageBatch) -> Tensor:
        seen.append(len(windows.image))
        return pixel_classifier(windows)

    image = draw(32, 24 * 4, 3)
    plan = Windows(WINDOW, overlap=0).plan((32, 24 * 4))
    pieces = classified_pieces(Gaps(image), plan, classify, 3, blank=torch.zeros(4))
    whole = torch.cat([strip for _, strip in strips_of(pieces, 24 * 4, lambda maps: maps)], dim=1)
    expected = direct(image).clone()
    expected[:, :16] = expected[:, :, 24:48] = 0
    torch.testing.assert_close(whole, expected, rtol=1e-5, atol=1e-7)
    assert seen == [2, 1]


def test_an_error_of_reading_ends_the_work():
    class Broken(ArrayImage):
        def read(self, top, left, height, width):
            if left:
                raise ValueError("no such block")
            return super().read(top, left, height, width)

    plan = Windows(WINDOW, overlap=0).plan((16, 72))
    with pytest.raises(ValueError, match="no such block"):
        list(classified_pieces(Broken(draw(16, 72, 3)), plan, pixel_classifier, 1))


def test_what_is_kept_of_a_window_may_be_less_than_its_maps():
    image = draw(40, 60, 3)
    plan = Windows(WINDOW).plan((40, 60))
    pieces = classified_pieces(ArrayImage(image), plan, pixel_classifier, 2)
    strips = list(strips_of(pieces, 60, lambda maps: torch.stack([maps.max(dim=0).values, maps.argmax(dim=0).float()])))
    whole = torch.cat([strip for _, strip in strips], dim=1)
    assert whole.shape == (2, 40, 60)
    assert torch.equal(whole[1].long(), direct(image).argmax(dim=0))


@pytest.mark.parametrize(
    ("crop", "tile", "largest"),
    [
        ((320, 320), (256, 256), (320, 320)),
        ((320, 320), (4000, 4000), (320, 320)),
        ((1024, 320), (4000, 4000), (1024, 320)),
        ((128, 96), (256, 256), (128, 96)),
        (None, (32, 48), (32, 48)),
        (None, (4000, 700), (768, 700)),
        ((320, 320), None, (320, 320)),
        (None, None, None),
    ],
)
def test_the_largest_window_follows_from_what_the_network_was_trained_on(crop, tile, largest):
    assert largest_window(crop, tile) == largest


def test_batches_hold_as_many_pixels_as_permitted():
    windows = Windows(pixels=4 * 320 * 320, most=4)
    assert [windows.tiles_at_once(size) for size in ((32, 32), (320, 320), (640, 320), (768, 768))] == [4, 4, 2, 1]
    assert windows.tiles_at_once((2000, 320)) == 1
    assert Windows(least=(320, 320), pixels=2 * 320 * 320).tiles_at_once((32, 32)) == 2
    asked = Windows(batch_size=7)
    assert (asked.tiles_at_once((700, 700)), asked.tiles_at_once((2000, 320)), asked.at_once((768, 768))) == (7, 1, 7)
