import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data.decode import decode_mask, image_file_size, read_ids, read_image, read_mask
from data.descriptions import DEEPGLOBE, UCM, Description
from tests.conftest import picture, write_image
from tests.files import half, image_file, png_file
from utils.errors import DataError

IDS = Description("custom", "{name}", "{name}", ("field", "forest", "water"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
COLOURS = replace(IDS, palette=((255, 0, 0), (0, 128, 0), (0, 0, 255)), ignore_colours=((9, 9, 9),))


def one_pixel(*colour: int) -> np.ndarray:
    return np.array([[colour]], np.uint8)


# --- DeepGlobe: thresholded colours ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 255, 255), 0),  # urban
        ((255, 255, 0), 1),  # agriculture
        ((255, 0, 255), 2),  # rangeland
        ((0, 255, 0), 3),  # forest
        ((0, 0, 255), 4),  # water
        ((255, 255, 255), 5),  # barren
        ((0, 0, 0), 255),  # unknown
    ],
)
def test_deepglobe_colours_read_as_their_ids_up_to_the_threshold_of_128(colour: tuple[int, int, int], expected: int):
    nearly = [128 if value else 127 for value in colour]
    for pixel in (one_pixel(*colour), one_pixel(*nearly)):
        ids, off_palette = decode_mask(pixel, DEEPGLOBE)
        assert ids.tolist() == [[expected]]
        assert off_palette == 0.0


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_each_channel_turns_between_127_and_128(channel: int):
    grey = np.full((1, 2, 3), 200, np.uint8)
    grey[0, :, channel] = [127, 128]
    neighbours = [0, 2, 1][channel]  # white without red is urban, without green rangeland, without blue agriculture
    assert decode_mask(grey, DEEPGLOBE)[0].tolist() == [[neighbours, 5]]


def test_the_eighth_binary_colour_is_off_palette():
    ids, off_palette = decode_mask(one_pixel(255, 0, 0), DEEPGLOBE)
    assert ids.tolist() == [[255]]
    assert off_palette == 1.0


def test_mask_files_are_read_as_rgb_so_that_urban_is_not_agriculture(tmp_path: Path):
    path = write_image(tmp_path / "mask.png", one_pixel(0, 255, 255))
    assert read_ids(path, DEEPGLOBE)[0].tolist() == [[0]]


# --- other palettes and ids ------------------------------------------------------------------------------------------


def test_a_custom_palette_is_matched_exactly():
    mask = np.array([[(255, 0, 0), (0, 128, 0), (0, 0, 255), (9, 9, 9), (254, 0, 0)]], np.uint8)
    ids, off_palette = decode_mask(mask, COLOURS)
    assert ids.tolist() == [[0, 1, 2, 255, 255]]
    assert off_palette == pytest.approx(1 / 5)  # the ignored colour is known, the last is not


def test_ucm_keeps_ids_1_to_17_ignores_0_and_255_and_knows_no_others():
    mask = np.arange(256, dtype=np.uint8)[None]
    ids, off_palette = decode_mask(mask, UCM)
    assert ids[0, 0] == 255
    assert ids[0, 1:18].tolist() == list(range(1, 18))
    assert (ids[0, 18:] == 255).all()
    assert off_palette == pytest.approx((256 - 18 - 1) / 256)


def test_255_classes_less_one_fit(tmp_path: Path):
    many = replace(IDS, classes=tuple(f"class {i}" for i in range(254)))
    ids, off_palette = decode_mask(np.array([[253, 254, 255]], np.uint8), many)
    assert ids.tolist() == [[253, 255, 255]]
    assert off_palette == pytest.approx(1 / 3)


@pytest.mark.parametrize(("wrong", "refused"), [(0, False), (20, False), (21, True)])
def test_five_percent_of_unknown_ids_are_ignored_and_more_are_an_error(tmp_path: Path, wrong: int, refused: bool):
    mask = np.full(400, 2, np.uint8)
    mask[:wrong] = 18
    path = write_image(tmp_path / "forest00.png", mask.reshape(20, 20))
    if refused:
        with pytest.raises(DataError, match=r"forest00\.png: 5\.2% of the pixels have ids that no class has \(18\)"):
            read_ids(path, UCM)
    else:
        ids, off_palette = read_ids(path, UCM)
        assert off_palette == wrong / 400
        assert (ids == 255).sum() == wrong


def test_the_error_names_the_most_frequent_unknown_colours_and_none_that_the_threshold_lets_pass(tmp_path: Path):
    mask = np.full((10, 10, 3), (0, 250, 250), np.uint8)  # urban, not exactly
    mask[:3] = (255, 0, 0)
    mask[3, :2] = (200, 10, 10)
    path = write_image(tmp_path / "mask.png", mask)
    with pytest.raises(DataError, match=r"32\.0% .* \(most often #FF0000, #C80A0A\)"):
        read_ids(path, DEEPGLOBE)


def test_a_colour_mask_where_ids_are_expected_asks_for_a_palette(tmp_path: Path):
    path = write_image(tmp_path / "mask.png", one_pixel(255, 0, 0))
    with pytest.raises(DataError, match=r"mask\.png holds colours .* expected class ids 0\.\.2.*--palette .*`palette`"):
        read_ids(path, IDS)


def test_the_indices_of_a_palette_file_are_its_ids(tmp_path: Path):
    image = Image.fromarray(np.array([[2, 0, 1]], np.uint8))
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "mask.png")
    assert Image.open(tmp_path / "mask.png").mode == "P"
    assert read_ids(tmp_path / "mask.png", IDS)[0].tolist() == [[2, 0, 1]]


@pytest.mark.parametrize(
    ("bits", "row", "ids"),
    [(1, 0b0100_0000, [0, 1]), (2, 0b0110_0000, [1, 2]), (4, 0b0001_0010, [1, 2]), (8, None, [1, 2])],
)
def test_grey_files_of_few_bits_hold_ids_not_brightness(tmp_path: Path, bits: int, row: int | None, ids: list[int]):
    packed = bytes([0, row]) if row is not None else bytes([0, 1, 2])
    (tmp_path / "mask.png").write_bytes(png_file(2, 1, bits, 0, packed))
    assert read_mask(tmp_path / "mask.png", IDS).tolist() == [ids]


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
    for read in (lambda: read_image(path), lambda: read_mask(path, DEEPGLOBE)):
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
    assert read_mask(path, UCM).tolist() == pixels.tolist()


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
