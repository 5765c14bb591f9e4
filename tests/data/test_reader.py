import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

import data.reader
from data.dataset_json import load_description
from data.decoding.images import read_image
from data.descriptions import DEEPGLOBE, UCM
from data.reader import TileReader, open_reader
from data.tiles import open_tiles
from tests.conftest import TinySet, orientation, picture, write_custom, write_image
from utils.errors import DataError

URBAN, RANGELAND = (0, 255, 255), (255, 0, 255)  # ids 0 and 2; a colour between them is none of the other five


def two_halves(size: tuple[int, int], left: int, right: int) -> np.ndarray:
    mask = np.full(size, left, np.uint8)
    mask[:, size[1] // 2 :] = right
    return mask


def custom_reader(custom: TinySet) -> TileReader:
    return open_reader(load_description("custom", custom.folder), custom.folder, custom.names)


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(500, 500), (320, 640), (77, 100)])
def test_colours_become_ids_before_they_are_resized(tmp_path: Path, size: tuple[int, int]):
    reader = TileReader(DEEPGLOBE, tmp_path, (320, 320))
    write_image(reader.image_path("1"), picture(0, size))
    write_image(reader.mask_path("1"), np.array([URBAN, RANGELAND], np.uint8)[two_halves(size, 0, 1)])
    ids = reader.mask("1")
    assert ids.shape == (320, 320)
    assert (ids == two_halves((320, 320), 0, 2)).mean() > 0.99
    assert set(np.unique(ids)) == {0, 2}


@pytest.mark.parametrize("image_size", [(247, 247), (256, 251), (256, 256)])
@pytest.mark.parametrize("mask_size", [(247, 247), (253, 256), (256, 256)])
def test_image_and_mask_of_a_ucm_tile_are_each_brought_to_256(
    tmp_path: Path, image_size: tuple[int, int], mask_size: tuple[int, int]
):
    reader = TileReader(UCM, tmp_path, (256, 256))
    write_image(reader.image_path("beach00"), two_halves(image_size, 10, 200)[..., None].repeat(3, 2))
    write_image(reader.mask_path("beach00"), two_halves(mask_size, 3, 5))
    image, mask = reader.image("beach00"), reader.mask("beach00")
    assert image.shape == (256, 256, 3)
    assert mask.shape == (256, 256)
    assert set(np.unique(mask)) == {3, 5}
    for column, (value, label) in {124: (10, 3), 132: (200, 5)}.items():  # the edge stays in the middle
        assert (image[:, column] == value).all()
        assert (mask[:, column] == label).all()


def test_a_deepglobe_image_decoded_at_reduced_scale_is_close_to_the_mean_of_all_its_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    reader = TileReader(DEEPGLOBE, tmp_path, (320, 320))
    large = cv2.GaussianBlur(picture(0, (2448, 2448)), (0, 0), 2)
    path = write_image(reader.image_path("1"), large, quality=95)
    decoded = []
    monkeypatch.setattr(data.reader, "read_image", lambda *a, **k: decoded.append(read_image(*a, **k)) or decoded[-1])
    fast = reader.image("1")
    assert [image.shape for image in decoded] == [(1224, 1224, 3)]
    exact = cv2.resize(read_image(path), (320, 320), interpolation=cv2.INTER_AREA)
    difference = np.abs(fast.astype(int) - exact.astype(int))
    assert difference.mean() < 1.0
    assert np.percentile(difference, 99.9) <= 8


def test_an_image_that_shrinks_in_one_direction_is_averaged_not_sampled(tmp_path: Path):
    custom = write_custom(tmp_path, size=(64, 16), tile_size=16)
    stripes = np.zeros((64, 16, 3), np.uint8)
    stripes[::4] = 200  # bilinear sampling would look between the other rows
    reader = custom_reader(custom)
    write_image(reader.image_path("tile0"), stripes)
    assert (reader.image("tile0") == 50).all()


def test_images_of_a_custom_set_without_tile_size_keep_their_pixels(custom_set: TinySet):
    reader = custom_reader(custom_set)
    assert reader.tile_size == (32, 32)
    assert (reader.image("tile2") == picture(2, (32, 32))).all()


def test_an_image_of_another_size_asks_for_a_tile_size(custom_set: TinySet):
    reader = custom_reader(custom_set)
    write_image(reader.image_path("tile3"), picture(0, (32, 48)))
    with pytest.raises(DataError, match=r"tile3\.png is 32×48, but other images are 32×32; give `tile_size`"):
        open_tiles(reader.description, reader.data_dir, custom_set.names).image(3)


@pytest.mark.parametrize(
    ("tile_size", "mask_size"),
    [(None, (32, 30)), (16, (32, 30)), (64, (30, 32)), (16, (16, 16))],
    ids=["as-filed", "smaller", "larger", "mask-of-tile-size"],
)
def test_a_mask_of_another_size_than_its_image_is_an_error(
    tmp_path: Path, tile_size: int | None, mask_size: tuple[int, int]
):
    custom = write_custom(tmp_path, tile_size=tile_size)
    reader = custom_reader(custom)
    write_image(reader.mask_path("tile1"), np.zeros(mask_size, np.uint8))
    found = "×".join(map(str, mask_size))
    with pytest.raises(DataError, match=rf"masks/tile1\.png is {found}, but its image is 32×32"):
        reader.mask("tile1")


# --- files -----------------------------------------------------------------------------------------------------------


def test_other_braces_in_a_path_are_plain_text(tmp_path: Path):
    custom = write_custom(tmp_path, images="images/{x}{name}{0}.png")
    reader = TileReader(load_description("custom", tmp_path), tmp_path, (32, 32))
    assert reader.image_path("tile0") == tmp_path / "images" / "{x}tile0{0}.png"
    assert reader.mask_path("{name}") == custom.folder / "masks" / "{name}.png"


def test_a_few_unknown_ids_are_a_warning_with_their_share_once_per_file(ucm_set: TinySet):
    reader = open_reader(UCM, ucm_set.folder, ucm_set.names)
    mask = np.full((256, 256), 2, np.uint8)
    mask[:2, :128] = 99  # 256 of 65536 pixels
    write_image(reader.mask_path("river00"), mask)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            ids = reader.mask("river00")
    assert [str(w.message) for w in caught] == [
        f"{reader.mask_path('river00')}: 0.39% of the pixels belong to no class and are ignored"
    ]
    assert (ids == 255).sum() == 256


# --- orientation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile_size", [None, 16])
def test_image_and_mask_of_a_turned_tile_show_the_same_ground(tmp_path: Path, tile_size: int | None):
    tiny = write_custom(tmp_path, size=(48, 32), tile_size=tile_size)
    upright = np.repeat(two_halves((48, 32), 10, 200)[..., None], 3, axis=2)
    write_image(tiny.folder / "images" / "tile0.png", np.rot90(upright), exif=orientation(6))
    write_image(tiny.folder / "masks" / "tile0.png", two_halves((48, 32), 0, 2))
    reader = custom_reader(tiny)
    assert reader.tile_size == ((16, 16) if tile_size else (48, 32))
    image, mask = reader.image("tile0"), reader.mask("tile0")
    assert image.shape[:2] == mask.shape == reader.tile_size
    np.testing.assert_array_equal(image[..., 0] > 100, mask == 2)


def test_tile_whose_mask_fits_the_stored_pixels_alone_is_read_as_stored(tmp_path: Path):
    tiny = write_custom(tmp_path, size=(32, 48), tile_size=32)
    stored = picture(0, (32, 48))
    write_image(tiny.folder / "images" / "tile0.png", stored, exif=orientation(8))
    reader = custom_reader(tiny)
    np.testing.assert_array_equal(reader.image_as_filed("tile0"), stored)
    assert reader.image_header("tile0").size == reader.mask_as_filed("tile0").shape == (32, 48)
    assert reader.mask("tile0").shape == (32, 32)


def test_ignored_orientation_is_ignored_for_image_and_mask(tmp_path: Path):
    tiny = write_custom(tmp_path, version=2, exif="ignore")
    pixels, ids = picture(0, (32, 32)), two_halves((32, 32), 0, 2)
    write_image(tiny.folder / "images" / "tile0.png", pixels, exif=orientation(6))
    write_image(tiny.folder / "masks" / "tile0.png", ids, exif=orientation(6))
    reader = custom_reader(tiny)
    np.testing.assert_array_equal(reader.image("tile0"), pixels)
    np.testing.assert_array_equal(reader.mask("tile0"), ids)


# --- masks of another size --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mask_size", "fits"), [((240, 272), True), ((239, 256), False), ((256, 273), False), ((30, 4000), False)]
)
def test_mask_of_a_ucm_tile_may_differ_by_16_pixels_a_side(tmp_path: Path, mask_size: tuple[int, int], fits: bool):
    reader = TileReader(UCM, tmp_path, (256, 256))
    write_image(reader.image_path("beach00"), picture(0, (256, 256)))
    write_image(reader.mask_path("beach00"), np.ones(mask_size, np.uint8))
    if fits:
        assert reader.mask("beach00").shape == (256, 256)
        return
    with pytest.raises(DataError, match="but its image is 256×256; their sides may differ by 16 pixels at most"):
        reader.mask("beach00")
