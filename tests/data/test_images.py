import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data.descriptions import DEEPGLOBE, UCM
from data.images import image_file_size, read_image
from data.masks import read_mask
from tests.conftest import picture, write_image
from tests.files import half, image_file, png_file
from utils.errors import DataError

# --- kinds of image files --------------------------------------------------------------------------------------------


def palette_image(transparency: bool) -> tuple[Image.Image, dict[str, bytes]]:
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60])
    return image, {"transparency": bytes([0, 128])} if transparency else {}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(np.array([[7, 8]], np.uint8)), [[[7, 7, 7], [8, 8, 8]]]),
        (Image.fromarray(np.array([[(7, 0), (8, 255)]], np.uint8), "LA"), [[[7, 7, 7], [8, 8, 8]]]),
        (Image.fromarray(np.array([[(1, 2, 3), (4, 5, 6)]], np.uint8)), [[[1, 2, 3], [4, 5, 6]]]),
        (Image.fromarray(np.array([[(1, 2, 3, 0), (4, 5, 6, 99)]], np.uint8)), [[[1, 2, 3], [4, 5, 6]]]),
        (Image.fromarray(np.array([[False, True]])), [[[0, 0, 0], [255, 255, 255]]]),
    ],
    ids=["grey", "grey-alpha", "rgb", "rgba", "bits"],
)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_images_come_out_as_rgb(tmp_path: Path, image: Image.Image, expected: list, ending: str):
    path = tmp_path / f"image.{ending}"
    image.save(path)
    pixels = read_image(path)
    assert pixels.dtype == np.uint8
    assert pixels.tolist() == expected


@pytest.mark.parametrize("transparency", [False, True])
def test_palette_images_come_out_as_rgb_without_a_word(tmp_path: Path, transparency: bool):
    image, options = palette_image(transparency)
    image.save(tmp_path / "image.png", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "image.png").tolist() == [[[10, 20, 30], [40, 50, 60]]]


def encoded(array: np.ndarray, ending: str) -> bytes:
    return cv2.imencode(ending, array)[1].tobytes()


GREY_16 = np.full((8, 8), 3000, np.uint16)
RGB_16 = np.full((8, 8, 3), 3000, np.uint16)
RGB_8 = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")  # Pillow's own words
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: encoded(GREY_16, ".png"), "16-bit"),
        (lambda: encoded(GREY_16, ".tif"), "16-bit"),
        (lambda: encoded(RGB_16, ".png"), "16-bit"),
        (lambda: encoded(RGB_16, ".tif"), "16-bit"),
        (lambda: image_file(np.full((8, 8), 70_000, np.int32), "tiff"), "float"),
        (lambda: image_file(np.full((8, 8), 0.5, np.float32), "tiff"), "float"),
        (lambda: image_file(RGB_8, "jpeg", "CMYK"), "CMYK; convert it to RGB"),
        (lambda: image_file(RGB_8, "tiff", "CMYK"), "CMYK; convert it to RGB"),
        (lambda: half(image_file(RGB_8)), "damaged"),
        (lambda: half(image_file(RGB_8, "jpeg")), "damaged"),
        (lambda: half(image_file(RGB_8, "tiff")), "damaged"),
        (lambda: half(image_file(RGB_8, "tiff", compression="tiff_lzw")), "is cut off"),
        (lambda: b"", "is empty"),
        (lambda: b"name,label\nforest00,forest\n", "is not an image"),
        (lambda: png_file(100_000, 100_000), "10000000000 pixels"),
        (lambda: png_file(20_000, 11_000), "claims 20000×11000 pixels"),
    ],
    ids=[
        "grey-16-png", "grey-16-tif", "rgb-16-png", "rgb-16-tif", "int32", "float", "cmyk-jpeg", "cmyk-tif", "cut-png",
        "cut-jpeg", "cut-tif", "cut-lzw", "empty", "text", "bomb", "large",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_line_with_its_name(tmp_path: Path, make: Callable[[], bytes], reason: str):
    path = tmp_path / "tile 7.bin"
    path.write_bytes(make())
    for read in (lambda: read_image(path), lambda: read_mask(path, DEEPGLOBE).values):
        with pytest.raises(DataError) as caught:
            read()
        message = str(caught.value)
        assert message.startswith(str(path))
        assert reason in message
        assert "\n" not in message


def test_a_missing_file_and_a_folder_are_errors_with_their_name(tmp_path: Path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            read_image(path)
        with pytest.raises(DataError, match=str(path)):
            image_file_size(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("ending", "options"), [("png", {}), ("tif", {}), ("tif", {"compression": "tiff_deflate"})], ids=str
)
def test_orientation_tags_are_ignored_for_images_and_masks(
    tmp_path: Path, orientation: int, ending: str, options: dict[str, str]
):
    pixels = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
    exif = Image.Exif()
    exif[274] = orientation
    path = write_image(tmp_path / f"tile.{ending}", pixels, exif=exif, **options)
    assert Image.open(path).getexif()[274] == orientation
    assert image_file_size(path) == (3, 4)
    assert read_image(path)[..., 0].tolist() == pixels.tolist()
    assert read_mask(path, UCM).values.tolist() == pixels.tolist()


def test_orientation_of_a_jpeg_is_ignored(tmp_path: Path):
    exif = Image.Exif()
    exif[274] = 6
    path = write_image(tmp_path / "tile.jpg", picture(0, (16, 32)), exif=exif)
    assert image_file_size(path) == (16, 32)
    assert (read_image(path) == read_image(write_image(tmp_path / "plain.jpg", picture(0, (16, 32))))).all()


@pytest.mark.parametrize(
    ("size", "decoded"),
    [
        ((640, 640), (80, 80)),
        ((640, 320), (160, 80)),
        ((320, 320), (80, 80)),
        ((300, 300), (150, 150)),
        ((70, 90), (70, 90)),
    ],
)
def test_a_jpeg_is_decoded_at_reduced_scale_but_never_below_the_size_asked_for(
    tmp_path: Path, size: tuple[int, int], decoded: tuple[int, int]
):
    path = write_image(tmp_path / "tile.jpg", picture(0, size))
    assert read_image(path, reduce_to=(80, 80)).shape == (*decoded, 3)
    assert read_image(path).shape == (*size, 3)


def test_decoding_leaves_the_warning_filters_alone(tmp_path: Path):
    path = write_image(tmp_path / "tile.png", RGB_8)
    before = list(warnings.filters)
    read_image(path)
    assert warnings.filters == before
