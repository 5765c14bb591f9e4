from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling, reproject

from data.checking.mask_values import MaskValues, meanings
from data.decoding.masks import read_ids
from data.decoding.palette_files import PaletteFiles
from data.descriptions import Description
from data.labels import mask_files
from data.labels.mask_files import palette_in_file
from data.labels.raster_masks import RasterMask, labelled_pixels
from data.rasters.places import grids
from tests.conftest import patches, write_image
from tests.data.rasters.raster_files import NORTH, UTM, grid, shifted, write_raster
from utils.errors import DataError

IDS = Description("custom", "{name}", "{name}", ("field", "forest", "water"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
COLOURS = replace(IDS, palette=((255, 0, 0), (0, 128, 0), (0, 0, 255)), ignore_colours=((9, 9, 9),))
MARS = (
    'GEOGCRS["Mars",DATUM["Mars",ELLIPSOID["Mars",3396190,169.9]],CS[ellipsoidal,2],AXIS["lat",north],AXIS["lon",east],'
    'ANGLEUNIT["degree",0.0174532925199433]]'
)
SITE = 'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
VALUES = np.array([[0, 1, 2, 0], [1, 1, 2, 2], [2, 0, 0, 1]], np.uint8)


def whole(path: Path, image, description: Description = IDS, palettes: PaletteFiles | None = None) -> np.ndarray:
    with RasterMask(path, image, description, palettes) as mask:
        return mask.ids(0, 0, *image.size)


def mask_file(tmp_path: Path, values: np.ndarray = VALUES, *args, **options) -> Path:
    return write_raster(tmp_path / "mask.tif", values, *args, **options)


# --- Grids -----------------------------------------------------------------------------------------------------------


def test_equal_grids_and_files_without_a_place_match_pixel_by_pixel(tmp_path: Path):
    for transform, place in ((NORTH, NORTH), (None, None), (NORTH, None), (None, NORTH)):
        path = mask_file(tmp_path, VALUES, transform)
        with RasterMask(path, grid(3, 4, place), IDS) as mask:
            assert mask.ids(0, 0, 3, 4).tolist() == VALUES.tolist()
            assert mask.ids(1, 2, 2, 2).tolist() == [[2, 2], [0, 1]]
            assert mask.remarks == []
            assert mask.values == MaskValues(1, {0: 4, 1: 4, 2: 4})


def test_a_shift_by_whole_pixels_is_exact_and_pixels_outside_have_no_class(tmp_path: Path):
    path = mask_file(tmp_path, VALUES, shifted(1, -2))
    with RasterMask(path, grid(3, 4), IDS) as mask:
        assert mask.ids(0, 0, 3, 4).tolist() == [[255] * 4, [2, 0, 255, 255], [2, 2, 255, 255]]
        assert mask.values == MaskValues(1, {0: 1, 2: 3}, transparent=8)
        assert mask.remarks == [
            f"{path} (EPSG:32640, 3×4) lies on another grid than its image (EPSG:32640, 3×4), of which it covers "
            "33.3%; it is brought there by its place, nearest neighbour"
        ]


def test_one_row_more_in_the_mask_is_said_and_left_out(tmp_path: Path):
    with RasterMask(mask_file(tmp_path, VALUES, NORTH), grid(2, 4), IDS) as mask:
        assert mask.ids(0, 0, 2, 4).tolist() == VALUES[:2].tolist()
        assert "lies on another grid" in mask.remarks[0]
        assert "covers" not in mask.remarks[0]  # as it covers the whole image


def test_a_pixel_takes_the_value_that_its_centre_lies_in(tmp_path: Path):
    path = mask_file(tmp_path, VALUES, shifted(-0.4, 0.6))  # 0.4 up, 0.6 to the right
    assert whole(path, grid(3, 4)).tolist() == [[255, 0, 1, 2], [255, 1, 1, 2], [255, 2, 0, 0]]
    coarse = mask_file(tmp_path, VALUES[:2, :2], shifted(0, 0, size=2))
    assert whole(coarse, grid(4, 4)).tolist() == VALUES[:2, :2].repeat(2, 0).repeat(2, 1).tolist()


@pytest.mark.parametrize(
    "image_at", [(1.0, 0, 300_000.0, 0, 1.0, 2_699_997.0), (0.0, 1.0, 300_000.0, -1.0, 0, 2_700_000.0)]
)
def test_images_that_are_south_up_or_rotated_find_their_mask(tmp_path: Path, image_at: tuple[float, ...]):
    path = mask_file(tmp_path, VALUES, NORTH)
    found = whole(path, grid(3, 4, image_at))
    south_up = image_at[0] == 1.0
    turned = np.full((3, 4), 255)
    turned[:, :3] = VALUES.T[:3]  # a column further is a metre further south
    assert found.tolist() == (VALUES[::-1] if south_up else turned).tolist()


def test_another_crs_gives_what_warping_with_exact_positions_gives(tmp_path: Path):
    values = patches(1, (300, 300), [0, 1, 2], 7)
    place = (1.1e-5, 0.0, 55.0, 0.0, -1e-5, 24.4)  # degrees: pixels of 1.1 m
    path = mask_file(tmp_path, values, place, "EPSG:4326")
    image = grid(200, 210, (1.3, 0.2, 297_240.0, 0.1, -1.2, 2_700_090.0))
    with RasterMask(path, image, IDS) as mask:
        found = np.concatenate([mask.ids(0, 0, 90, 210), mask.ids(90, 0, 110, 210)])
        assert "EPSG:4326, 300×300) lies on another grid" in mask.remarks[0]
    expected = np.full((200, 210), 255, np.uint8)
    with rasterio.open(path) as file:
        reproject(
            rasterio.band(file, 1), expected, dst_transform=image.affine, dst_crs=UTM, resampling=Resampling.nearest,
            tolerance=0, dst_nodata=255, src_nodata=255,
        )  # fmt: skip
    assert (expected != 255).mean() > 0.3
    assert (found == expected).mean() > 0.998  # centres that lie on an edge


def test_a_mask_much_finer_than_its_image_is_read_in_parts(tmp_path: Path):
    values = patches(2, (64, 64), [0, 1, 2], 5)
    path = mask_file(tmp_path, values, NORTH, dtype="uint16")
    image = grid(8, 8, shifted(0, 0, size=8))
    with patch.object(mask_files, "_MOST", 100):
        assert whole(path, image).tolist() == values[4::8, 4::8].tolist()


def test_windows_of_the_survey_count_each_pixel_once(tmp_path: Path):
    values = patches(3, (37, 50), [0, 1, 2, 255])
    with patch.object(grids, "_BLOCK", 16), RasterMask(mask_file(tmp_path, values), grid(37, 50, None), IDS) as mask:
        assert mask.values == MaskValues(1, {v: int((values == v).sum()) for v in (0, 1, 2, 255)})


@pytest.mark.parametrize(
    ("mask", "image", "message"),
    [
        (
            (NORTH, UTM),
            grid(3, 4, shifted(3, 0)),
            r"mask\.tif \(EPSG:32640: x 300000 to 300004, y 2699997 to 2700000\) does not overlap its image image\.tif "
            r"\(EPSG:32640: x 300000 to 300004, y 2699994 to 2699997\); check that it is this image's mask, and its",
        ),
        ((None, None), grid(4, 4, None), r"is 3×4, but its image image\.tif is 4×4, and neither has a place"),
        ((None, None), grid(4, 4), "4×4, and only the image has a place; give both one"),
        ((NORTH, UTM), grid(4, 4, None), "4×4, and only the mask has a place; give both one"),
        ((NORTH, None), grid(4, 4), "4×4, and the mask has no CRS, so that their places cannot be compared"),
        ((NORTH, UTM), grid(3, 4, NORTH, MARS), "the CRS EPSG:32640 and Mars cannot|Mars and EPSG:32640 cannot be"),
        ((NORTH, UTM), grid(3, 4, NORTH, SITE), "site and EPSG:32640 cannot be brought together; reproject one"),
        ((NORTH, UTM), grid(3, 4, NORTH, "rubbish"), "the CRS rubbish is not understood"),
    ],
)
def test_places_that_do_not_fit_are_refused_in_one_line(tmp_path: Path, mask, image, message: str):
    path = mask_file(tmp_path, VALUES, *mask)
    with pytest.raises(DataError, match=message) as caught:
        RasterMask(path, image, IDS)
    assert "\n" not in str(caught.value)


# --- What the values are ---------------------------------------------------------------------------------------------


def test_windows_decode_as_whole_png_files_do(tmp_path: Path):
    colours = np.array(COLOURS.palette, np.uint8)[patches(4, (40, 50), [0, 1, 2])]
    colours[5:8, 5:30] = (15, 15, 240)  # smoothed
    colours[9, :20] = (9, 9, 9)
    colours[10, :9] = (77, 200, 77)  # strange
    png = write_image(tmp_path / "mask.png", colours)
    tif = mask_file(tmp_path, np.moveaxis(colours, -1, 0), photometric="RGB")
    expected = read_ids(png, COLOURS)
    with RasterMask(tif, grid(40, 50, None), COLOURS) as mask:
        parts = [np.concatenate([mask.ids(t, c, 8, 10) for c in range(0, 50, 10)], axis=1) for t in range(0, 40, 8)]
        assert (np.concatenate(parts) == expected.ids).all()
        assert mask.values == expected.values
        assert mask.ids(5, 5, 3, 25).tolist() == [[2] * 25] * 3  # wholly of a near colour, which the file decided


def test_more_than_half_near_colours_are_another_palette_whatever_a_window_holds(tmp_path: Path):
    colours = np.zeros((10, 10, 3), np.uint8)
    colours[:] = (250, 5, 5)
    colours[:4] = (255, 0, 0)
    path = mask_file(tmp_path, np.moveaxis(colours, -1, 0))
    with RasterMask(path, grid(10, 10, None), COLOURS) as mask, pytest.raises(DataError, match=r"60\.0% of the pixels"):
        mask.ids(0, 0, 4, 4)


def test_pixels_outside_the_mask_do_not_hide_that_its_values_are_wrong(tmp_path: Path):
    path = mask_file(tmp_path, np.full((2, 2), 7, np.uint8), NORTH)
    with (
        RasterMask(path, grid(20, 20), IDS) as mask,
        pytest.raises(DataError, match=r"100\.0% of .* no class has \(7\)"),
    ):
        _ = mask.values


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint32", "float32", "float64"])
def test_codes_of_any_type_are_read_and_nodata_has_no_class(tmp_path: Path, dtype: str):
    coded = replace(IDS, codes=((10,), (30,), (100,)))
    nodata = -9999 if dtype in ("int16", "int32", "float32", "float64") else 200
    values = np.array([[10, 30, nodata, 100]]).astype(dtype)
    found = whole(mask_file(tmp_path, values, nodata=nodata), grid(1, 4, None), coded)
    assert found.tolist() == [[0, 1, 255, 2]]


def test_nan_has_no_class_and_other_values_than_codes_are_named(tmp_path: Path):
    values = np.array([[0, np.nan, 2]], np.float32)
    assert whole(mask_file(tmp_path, values), grid(1, 3, None)).tolist() == [[0, 255, 2]]
    for wrong in (0.5, -1, 70000):
        values[0, 0] = wrong
        with pytest.raises(DataError, match=rf"mask\.tif holds {wrong:g}; class codes are whole numbers of 0 to 65535"):
            whole(mask_file(tmp_path, values), grid(1, 3, None))


def test_a_class_that_is_declared_to_be_nodata_is_said(tmp_path: Path):
    path = mask_file(tmp_path, VALUES, nodata=0)
    with RasterMask(path, grid(3, 4, None), IDS) as mask:
        assert mask.remarks == [
            f"{path} declares 0 to be nodata, which is also the code of field; these pixels are unlabelled"
        ]
        assert (mask.ids(0, 0, 3, 4) == np.where(VALUES == 0, 255, VALUES)).all()
    with RasterMask(mask_file(tmp_path, VALUES, nodata=99), grid(3, 4, None), IDS) as mask:
        assert mask.remarks == []


def test_alpha_and_masks_make_pixels_transparent(tmp_path: Path):
    rgba = np.zeros((4, 1, 3), np.uint8)
    rgba[0], rgba[3] = 255, [255, 0, 1]
    path = mask_file(tmp_path, rgba, photometric="RGB", alpha="yes")
    assert whole(path, grid(1, 3, None), COLOURS).tolist() == [[0, 255, 0]]
    path = mask_file(tmp_path)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(VALUES != 1)
    assert (whole(path, grid(3, 4, None)) == np.where(VALUES == 1, 255, VALUES)).all()


def test_nodata_of_colours_is_that_of_all_channels(tmp_path: Path):
    red_and_black = np.array([[[255, 0]], [[0, 0]], [[0, 0]]], np.uint8)
    path = mask_file(tmp_path, red_and_black, nodata=0, photometric="RGB")
    assert whole(path, grid(1, 2, None), COLOURS).tolist() == [[0, 255]]


def test_colour_tables_read_as_ids_or_as_colours(tmp_path: Path):
    table = {0: (0, 0, 255), 1: (255, 0, 0), 2: (0, 128, 0)}
    path = mask_file(tmp_path, VALUES, NORTH, colours=table)
    assert whole(path, grid(3, 4)).tolist() == VALUES.tolist()
    assert (whole(path, grid(3, 4), COLOURS) == np.array([2, 0, 1])[VALUES]).all()
    assert palette_in_file(path)[:4] == [0x0000FF, 0xFF0000, 0x008000, 0]
    assert palette_in_file(mask_file(tmp_path)) is None


def test_a_colour_table_in_an_aux_xml_counts(tmp_path: Path):
    path = write_raster(tmp_path / "mask.png", VALUES, driver="PNG")
    entries = '<Entry c1="0" c2="0" c3="255" c4="255"/><Entry c1="255" c2="0" c3="0" c4="255"/>'
    entries += '<Entry c1="0" c2="128" c3="0" c4="255"/>'
    (tmp_path / "mask.png.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><ColorInterp>Palette</ColorInterp><ColorTable>{entries}</ColorTable>'
        "</PAMRasterBand></PAMDataset>",
        encoding="utf-8",
    )
    assert (whole(path, grid(3, 4, None), COLOURS) == np.array([2, 0, 1])[VALUES]).all()


def test_palette_files_with_other_orders_match_by_colour(tmp_path: Path):
    first = write_raster(tmp_path / "a.tif", VALUES, colours={0: (9, 0, 0), 1: (0, 9, 0), 2: (0, 0, 9)})
    swapped = np.array([1, 0, 2], np.uint8)[VALUES]
    other = write_raster(tmp_path / "b.tif", swapped, colours={1: (9, 0, 0), 0: (0, 9, 0), 2: (0, 0, 9)})
    palettes = PaletteFiles(meanings(IDS), lambda: [first, other], palette_in_file)
    for path, matched in ((first, 0), (other, 1)):
        with RasterMask(path, grid(3, 4, None), IDS, palettes) as mask:
            assert mask.ids(0, 0, 3, 4).tolist() == VALUES.tolist()
            assert mask.values.matched == matched


# --- Bad files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "description", "message"),
    [
        (np.zeros((3, 2, 2), np.uint8), IDS, r"has 3 bands, expected one of class ids; give the colours as --palette"),
        (np.zeros((2, 2, 2), np.uint8), COLOURS, r"has 2 bands of uint8, expected colours"),
        (np.zeros((3, 2, 2), np.uint16), COLOURS, r"has 3 bands of uint16, expected colours"),
        (np.zeros((2, 2), np.complex64), IDS, r"holds complex numbers"),
    ],
)
def test_bands_that_are_no_labels_are_refused(tmp_path: Path, values: np.ndarray, description, message: str):
    with pytest.raises(DataError, match=rf"mask\.tif {message}"):
        RasterMask(mask_file(tmp_path, values), grid(2, 2, None), description)


def test_missing_damaged_and_other_files_are_one_line_with_the_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    image = grid(64, 64, None)
    with pytest.raises(DataError, match=r"mask\.tif is missing; check the path"):
        RasterMask(tmp_path / "mask.tif", image, IDS)
    (tmp_path / "mask.tif").write_text('<VRTDataset rasterXSize="1"/>', encoding="utf-8")
    with pytest.raises(DataError, match=r"mask\.tif"):  # a VRT without a source
        RasterMask(tmp_path / "mask.tif", image, IDS)
    (tmp_path / "mask.tif").write_text("no raster", encoding="utf-8")
    with pytest.raises(DataError, match=r"mask\.tif is of a kind that is not read; expected GeoTIFF") as caught:
        RasterMask(tmp_path / "mask.tif", image, IDS)
    assert str(caught.value).count(str(tmp_path)) == 1
    path = mask_file(tmp_path, patches(5, (64, 64), [0, 1, 2], 1), compress="deflate")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"mask\.tif (is damaged|cannot be read)") as caught:
        whole(path, image)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_labelled_pixels_are_those_of_classes():
    values = MaskValues(1, {0: 2, 2: 3, 99: 4, 255: 5}, transparent=6)
    assert labelled_pixels(values, replace(IDS, ignore_codes=frozenset({0}))) == 3


def test_an_image_may_be_larger_than_the_domain_of_its_masks_crs(tmp_path: Path):
    globe = grid(18, 36, (10.0, 0.0, -180.0, 0.0, -10.0, 90.0), "EPSG:4326")
    path = mask_file(
        tmp_path, np.full((300, 300), 1, np.uint8), (10_000.0, 0.0, 500_000.0, 0.0, -10_000.0, 4_000_000.0)
    )
    ids = whole(path, globe)
    assert (ids == 1).sum() > 0
    assert ids[6, 23:26].tolist() == [255, 1, 1]  # 55 degrees east is left of the mask, 65 and 75 are within
