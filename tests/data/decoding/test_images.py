import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from data.decoding.images import ImageHeader, image_file_header, image_file_size, read_image
from data.decoding.masks import read_mask
from data.decoding.orientation import in_stored, turned
from data.descriptions import DEEPGLOBE, UCM
from tests.conftest import orientation as orientation_tag
from tests.conftest import picture, write_image
from tests.files import half, image_file, png_file, tiff_file
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
        (lambda: image_file(np.full((8, 8), 70_000, np.int32), "tiff"), "one band of 32-bit signed integers"),
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


def tiff(dtype: str, bands: int = 3, photometric: int = 2, extra: tuple[int, ...] = (), **tags_of: int) -> bytes:
    return tiff_file(np.zeros((8, 8, bands), dtype), photometric, extra, **tags_of)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's own words
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tiff("u2"), "has 3 bands of 16-bit unsigned integers; bring it to 8 bits a channel"),
        (
            tiff("u2", photometric=1, extra=(0, 0)),
            "has 3 bands of 16-bit unsigned integers and a photometric tag of grey; bring it to 8 bits a channel; "
            "save it with photometric RGB",
        ),
        (tiff("i2", numbers=2), "has 3 bands of 16-bit signed integers; bring it to 8 bits a channel"),
        (tiff("i1", numbers=2), "has 3 bands of 8-bit signed integers; bring its values to 0..255, unsigned"),
        (tiff("f4", numbers=3), "has 3 bands of 32-bit floating-point numbers; bring it to 8 bits a channel"),
        (tiff("u2", bits=12), "has 3 bands of 12-bit unsigned integers; bring it to 8 bits a channel"),
        (tiff("u1", photometric=1), "has 3 bands and a photometric tag of grey; save it with photometric RGB"),
        (
            tiff("u1", compression=34887),
            "has 3 bands, compressed by LERC, which is not read; save it with DEFLATE or LZW",
        ),
        (tiff("u1", bands=1, photometric=1, numbers=2), "has one band of 8-bit signed integers; bring its values"),
        (tiff("i2", bands=1, photometric=1, numbers=2), "has one band of 16-bit signed integers; bring it to 8"),
        (tiff("u2", bands=4, photometric=1), "has 4 bands of 16-bit unsigned integers; bring it to 8"),
        (b"II+\0\x08\0\0\0" + b"\0" * 20, "is a TIFF file that is cut off, or of a kind that is not read"),
    ],
    ids=[
        "RGB 16", "GDAL's RGB 16", "int16", "int8", "float32", "12 bits", "min is black", "LERC", "grey int8",
        "grey int16", "4 bands", "BigTIFF",
    ],
)  # fmt: skip
def test_what_a_tiff_holds_is_said_truly(tmp_path: Path, content: bytes, words: str):
    path = tmp_path / "s.tif"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path} {words}")


# --- Orientation ------------------------------------------------------------------------------------------------------

PIXELS = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("options", [{}, {"compression": "tiff_deflate"}], ids=str)
def test_orientation_tag_of_a_tiff_is_ignored_for_images_and_masks(
    tmp_path: Path, orientation: int, options: dict[str, str]
):
    path = write_image(tmp_path / "tile.tif", PIXELS, exif=orientation_tag(orientation), **options)
    assert Image.open(path).getexif()[274] == orientation
    assert image_file_size(path) == (3, 4)
    assert read_image(path)[..., 0].tolist() == PIXELS.tolist()
    assert read_mask(path, UCM).values.tolist() == PIXELS.tolist()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("ending", "options"), [("png", {}), ("webp", {"lossless": True})])
def test_pixels_are_turned_as_exif_says_for_images_and_masks(
    tmp_path: Path, orientation: int, ending: str, options: dict[str, Any]
):
    pixels = np.stack([PIXELS] * 3, axis=-1)
    path = write_image(tmp_path / f"tile.{ending}", pixels, exif=orientation_tag(orientation), **options)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert image_file_header(path) == ImageHeader(shown.shape[:2], "RGB", orientation, orientation != 1)
    np.testing.assert_array_equal(read_image(path), shown)
    np.testing.assert_array_equal(read_mask(path, DEEPGLOBE).values, shown)
    assert image_file_size(path, exif="ignore") == (3, 4)
    np.testing.assert_array_equal(read_image(path, exif="ignore"), pixels)
    np.testing.assert_array_equal(read_mask(path, replace(DEEPGLOBE, exif="ignore")).values, pixels)


def test_mask_of_ids_is_turned_as_exif_says(tmp_path: Path):
    path = write_image(tmp_path / "mask.png", PIXELS, exif=orientation_tag(8))
    assert read_mask(path, UCM).values.tolist() == np.rot90(PIXELS).tolist()


@pytest.mark.parametrize("orientation", [3, 6])
def test_jpeg_is_turned_also_where_it_is_decoded_at_reduced_scale(tmp_path: Path, orientation: int):
    pixels = picture(0, (320, 160))
    path = write_image(tmp_path / "tile.jpg", pixels, exif=orientation_tag(orientation))
    plain = write_image(tmp_path / "plain.jpg", pixels)
    turns = {3: 2, 6: 3}[orientation]
    np.testing.assert_array_equal(read_image(path), np.rot90(read_image(plain), turns))
    reduced = read_image(path, reduce_to=(80, 40) if orientation == 3 else (40, 80))
    np.testing.assert_array_equal(reduced, np.rot90(read_image(plain, reduce_to=(80, 40)), turns))
    assert max(reduced.shape) == 80


def test_exif_behind_the_pixels_of_a_png_counts(tmp_path: Path):
    content = image_file(PIXELS, exif=orientation_tag(6))
    start = content.index(b"eXIf") - 4
    length = 12 + int.from_bytes(content[start : start + 4], "big")
    chunk, rest = content[start : start + length], content[:start] + content[start + length :]
    path = tmp_path / "tile.png"
    path.write_bytes(rest[:-12] + chunk + rest[-12:])
    assert image_file_size(path) == (4, 3)
    assert read_image(path)[..., 0].tolist() == np.rot90(PIXELS, -1).tolist()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_that_is_none_is_ignored(tmp_path: Path, orientation: int):
    assert image_file_size(write_image(tmp_path / "tile.png", PIXELS, exif=orientation_tag(orientation))) == (3, 4)


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"no exif at all"])
def test_damaged_exif_is_ignored(tmp_path: Path, exif: bytes):
    assert image_file_size(write_image(tmp_path / "tile.jpg", RGB_8[:32], exif=exif)) == (32, 64)


@pytest.mark.parametrize(
    ("mask_size", "is_turned"), [((40, 30), True), ((30, 40), False), ((20, 20), True), (None, True)]
)
def test_image_whose_mask_fits_the_stored_pixels_alone_is_not_turned(
    tmp_path: Path, mask_size: tuple[int, int] | None, is_turned: bool
):
    stored = picture(0, (30, 40))
    image, mask = write_image(tmp_path / "image.png", stored, exif=orientation_tag(6)), tmp_path / "mask.png"
    if mask_size:
        write_image(mask, np.zeros(mask_size, np.uint8))
    expected = np.rot90(stored, -1) if is_turned else stored
    np.testing.assert_array_equal(read_image(image, mask=mask), expected)
    assert image_file_header(image, mask=mask) == ImageHeader(expected.shape[:2], "RGB", 6, is_turned)


@pytest.mark.parametrize(("orientation", "size"), [(3, (30, 40)), (6, (30, 30))])
def test_image_whose_mask_fits_both_ways_is_turned(tmp_path: Path, orientation: int, size: tuple[int, int]):
    image = write_image(tmp_path / "image.png", picture(0, size), exif=orientation_tag(orientation))
    mask = write_image(tmp_path / "mask.png", np.zeros(size, np.uint8))
    assert image_file_header(image, mask=mask).is_turned


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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_places_of_a_turned_picture_are_those_of_its_stored_pixels(orientation: int):
    stored = np.arange(12).reshape(3, 4)
    shown = turned(stored, orientation)
    rows, columns = np.indices(shown.shape) + 0.5
    at_rows, at_columns = in_stored(rows, columns, (shown.shape[0], shown.shape[1]), orientation)
    np.testing.assert_array_equal(stored[at_rows.astype(int), at_columns.astype(int)], shown)
