from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.checking.mask_values import MaskValues
from data.decoding.masks import RawMask, decode_mask, read_ids, read_mask
from data.decoding.near_colours import near_distance
from data.descriptions import DEEPGLOBE, UCM, Description
from tests.conftest import write_image
from tests.files import image_file, png_file
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
        ids, off_palette, _ = decode_mask(RawMask(pixel), DEEPGLOBE)
        assert ids.tolist() == [[expected]]
        assert off_palette == 0.0


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_each_channel_turns_between_127_and_128(channel: int):
    grey = np.full((1, 2, 3), 200, np.uint8)
    grey[0, :, channel] = [127, 128]
    neighbours = [0, 2, 1][channel]  # white without red is urban, without green rangeland, without blue agriculture
    assert decode_mask(RawMask(grey), DEEPGLOBE).ids.tolist() == [[neighbours, 5]]


def test_the_eighth_binary_colour_is_off_palette():
    ids, off_palette, _ = decode_mask(RawMask(one_pixel(255, 0, 0)), DEEPGLOBE)
    assert ids.tolist() == [[255]]
    assert off_palette == 1.0


def test_mask_files_are_read_as_rgb_so_that_urban_is_not_agriculture(tmp_path: Path):
    path = write_image(tmp_path / "mask.png", one_pixel(0, 255, 255))
    assert read_ids(path, DEEPGLOBE)[0].tolist() == [[0]]


# --- other palettes and ids ------------------------------------------------------------------------------------------


def test_a_custom_palette_is_matched_exactly():
    mask = np.array([[(255, 0, 0), (0, 128, 0), (0, 0, 255), (9, 9, 9), (99, 0, 0)]], np.uint8)
    ids, off_palette, _ = decode_mask(RawMask(mask), COLOURS)
    assert ids.tolist() == [[0, 1, 2, 255, 255]]
    assert off_palette == pytest.approx(1 / 5)  # the ignored colour is known, the last is not


def test_ucm_keeps_ids_1_to_17_ignores_0_and_255_and_knows_no_others():
    mask = np.arange(256, dtype=np.uint8)[None]
    ids, off_palette, _ = decode_mask(RawMask(mask), UCM)
    assert ids[0, 0] == 255
    assert ids[0, 1:18].tolist() == list(range(1, 18))
    assert (ids[0, 18:] == 255).all()
    assert off_palette == pytest.approx((256 - 18 - 1) / 256)


def test_255_classes_less_one_fit(tmp_path: Path):
    many = replace(IDS, classes=tuple(f"class {i}" for i in range(254)))
    ids, off_palette, _ = decode_mask(RawMask(np.array([[253, 254, 255]], np.uint8)), many)
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
        ids, off_palette, _ = read_ids(path, UCM)
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
    assert read_mask(tmp_path / "mask.png", IDS).values.tolist() == [ids]


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_grey_files_of_16_bits_hold_codes_beyond_255(tmp_path: Path, kind: str):
    coded = replace(IDS, codes=((10,), (300, 400), (255,)), ignore_codes=frozenset({0}))
    path = tmp_path / f"mask.{kind}"
    path.write_bytes(image_file(np.array([[10, 300, 400, 255, 0, 65535]], np.uint16), kind))
    ids, off_palette, values = decode_mask(read_mask(path, coded), coded)
    assert ids.tolist() == [[0, 1, 1, 2, 255, 255]]
    assert off_palette == pytest.approx(1 / 6)
    assert values.pixels == {0: 1, 10: 1, 255: 1, 300: 1, 400: 1, 65535: 1}


def test_255_means_no_class_unless_the_codes_say_otherwise():
    mask = RawMask(np.array([[0, 255]], np.uint8))
    two = replace(IDS, classes=("background", "building"))
    assert decode_mask(mask, two).ids.tolist() == [[0, 255]]
    assert decode_mask(mask, replace(two, codes=((0,), (255,)))).ids.tolist() == [[0, 1]]


# --- transparent pixels -----------------------------------------------------------------------------------------------


def test_transparent_pixels_have_no_class(tmp_path: Path):
    colours = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 255, 128], [7, 7, 7, 0]]], np.uint8)
    write_image(tmp_path / "rgba.png", colours)
    ids, off_palette, values = decode_mask(read_mask(tmp_path / "rgba.png", COLOURS), COLOURS)
    assert ids.tolist() == [[0, 255, 2, 255]]
    assert off_palette == 0
    assert values == MaskValues(1, {0xFF0000: 1, 0x0000FF: 1}, transparent=2)


@pytest.mark.parametrize("kind", ["LA", "PA by index", "L by value", "16 bits by value"])
def test_ids_may_be_transparent(tmp_path: Path, kind: str):
    path, row = tmp_path / "mask.png", np.array([[0, 1, 2]], np.uint8)
    if kind == "LA":
        Image.merge("LA", [Image.fromarray(row), Image.fromarray(np.array([[255, 0, 1]], np.uint8))]).save(path)
    elif kind == "PA by index":
        image = Image.fromarray(row)
        image.putpalette([0, 0, 0, 9, 9, 9, 200, 0, 0])
        image.save(path, transparency=bytes([255, 0, 255]))
    elif kind == "L by value":
        Image.fromarray(row).save(path, transparency=1)
    else:
        path.write_bytes(image_file(row.astype(np.uint16), transparency=1))
    ids, _, values = read_ids(path, IDS)
    assert ids.tolist() == [[0, 255, 2]]
    assert values.pixels == {0: 1, 2: 1}
    assert values.transparent == 1


# --- smoothed edges ---------------------------------------------------------------------------------------------------


def edges(*shades: tuple[int, int, int]) -> RawMask:
    """Two exact pixels for each shade, and the shades."""
    return RawMask(np.array([[*shades, *[(255, 0, 0)] * 2 * len(shades)]], np.uint8))


def test_edges_take_the_nearest_colour_within_32_and_are_counted():
    mask = decode_mask(edges((255, 32, 0), (255, 33, 0), (20, 20, 235), (128, 0, 128)), COLOURS)
    assert mask.ids[0, :4].tolist() == [0, 255, 255, 255]
    assert decode_mask(edges((10, 10, 245)), COLOURS).ids[0, 0] == 2
    assert mask.off_palette == 3 / 12
    assert mask.values.near == 1
    assert mask.values.pixels == {0xFF0000: 9, 0xFF2100: 1, 0x1414EB: 1, 0x800080: 1}


def test_close_colours_are_told_apart_exactly():
    close = replace(COLOURS, palette=((1, 1, 1), (2, 2, 2), (40, 40, 40)), ignore_colours=())
    assert near_distance(close) < 3**0.5 / 2
    assert near_distance(COLOURS) == 32 == near_distance(replace(DEEPGLOBE, binary_channels=False))
    assert decode_mask(RawMask(np.array([[(2, 2, 2), (3, 3, 3)]], np.uint8)), close).ids.tolist() == [[1, 255]]


def test_a_mask_mostly_of_near_colours_has_no_smoothed_edges_but_another_palette():
    near = RawMask(np.full((4, 4, 3), (250, 5, 5), np.uint8))
    assert decode_mask(near, COLOURS).off_palette == 1


def test_thresholded_colours_have_no_near_ones():
    mask = decode_mask(RawMask(np.array([[(0, 250, 250), (250, 0, 0)]], np.uint8)), DEEPGLOBE)
    assert mask.ids.tolist() == [[0, 255]]
    assert mask.values.near == 0


# --- A label that is ignored ------------------------------------------------------------------------------------------


def test_an_ignored_label_is_no_class_in_masks_of_ids_codes_and_colours():
    ids = RawMask(np.array([[0, 1, 2, 255, 99]], np.uint8))
    mask = decode_mask(ids, IDS.ignoring(1))
    assert mask.ids.tolist() == [[0, 255, 2, 255, 255]]
    assert mask.off_palette == pytest.approx(0.2)  # 99 is a stranger still
    assert decode_mask(ids, IDS.ignoring(99)).off_palette == 0
    coded = replace(IDS, codes=((2,), (1,), (0,)))
    assert decode_mask(ids, coded.ignoring(1)).ids.tolist() == [[2, 255, 0, 255, 255]]  # the class, not the code
    assert decode_mask(ids, coded.ignoring(2)).ids.tolist() == [[255, 1, 0, 255, 255]]
    colours = RawMask(np.array([[(255, 0, 0), (0, 128, 0), (0, 0, 255), (77, 77, 77)]], np.uint8))
    mask = decode_mask(colours, COLOURS.ignoring(1))
    assert mask.ids.tolist() == [[0, 255, 2, 255]]
    assert mask.off_palette == pytest.approx(0.25)
    assert decode_mask(colours, COLOURS.ignoring(254)).off_palette == pytest.approx(0.25)
    water = RawMask(np.array([[(0, 0, 255), (0, 255, 255)]], np.uint8))
    assert decode_mask(water, DEEPGLOBE.ignoring(4)).ids.tolist() == [[255, 0]]
