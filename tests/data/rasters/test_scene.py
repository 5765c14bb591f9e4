"""Scenes of every kind are read as they were written, window by window, with what is data and what is not."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from data.rasters.gdal import session
from data.rasters.scene import RasterScene
from tests.data.rasters.raster_files import AT, UTM, numbers, write_raster, write_vrt
from utils.errors import DataError


def read_all(path: Path, *bands: int, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    with RasterScene.open(path, **options) as scene:
        return scene.read(0, 0, *scene.size, bands or [band.index for band in scene.bands])


@pytest.mark.parametrize(
    "options",
    [
        {"tiled": True, "blockxsize": 16, "blockysize": 16},
        {"interleave": "band"},
        {"interleave": "band", "tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "zstd", "predictor": 2},
        {"BIGTIFF": "YES"},
        {"ENDIANNESS": "BIG"},
        *({"compress": method} for method in ("lzw", "deflate", "packbits", "lzma", "lerc", "zstd")),
        {"compress": "webp", "webp_lossless": True},
        {"driver": "COG"},
        {"driver": "PNG"},
        {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"},
        {"driver": "WEBP", "LOSSLESS": "YES"},
        {"driver": "BMP"},
    ],
)
def test_every_layout_compression_and_kind_of_file_gives_the_values_written(tmp_path: Path, options: dict[str, Any]):
    values = numbers(3, 40, 50)
    with RasterScene.open(write_raster(tmp_path / "scene.any", values, **options)) as scene:
        assert scene.size == (40, 50)
        window, valid = scene.read(17, 9, 20, 33, [3, 1])
    np.testing.assert_array_equal(window, values[[2, 0], 17:37, 9:42])
    assert valid.all()


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_values_keep_their_type_and_come_in_the_machines_byte_order(tmp_path: Path, dtype: str, order: str):
    values = numbers(2, 8, 9, dtype) // 2
    found, _ = read_all(write_raster(tmp_path / "a.tif", values, ENDIANNESS=order))
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, values)


def test_what_a_sparse_file_leaves_out_is_its_nodata_value(tmp_path: Path):
    path = tmp_path / "sparse.tif"
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16, "sparse_ok": True}
    profile = {"count": 1, "height": 64, "width": 64, "dtype": "uint16", "nodata": 7, **layout}
    with session(), rasterio.open(path, "w", driver="GTiff", **profile) as file:
        file.write(np.full((1, 16, 16), 9, "uint16"), window=rasterio.windows.Window(16, 16, 16, 16))
    values, valid = read_all(path)
    assert values[0, 0, 0] == 7
    assert valid.sum() == 16 * 16
    assert valid[16:32, 16:32].all()


def test_bands_of_a_vrt_may_be_of_several_types(tmp_path: Path):
    write_raster(tmp_path / "a.tif", numbers(1, 4, 5))
    write_raster(tmp_path / "b.tif", numbers(1, 4, 5, "float32"))
    source = "<SimpleSource><SourceFilename relativeToVRT='1'>{}</SourceFilename></SimpleSource>"
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{i}">{source.format(name)}</VRTRasterBand>'
        for i, (kind, name) in enumerate([("Byte", "a.tif"), ("Float32", "b.tif")], start=1)
    )
    (tmp_path / "c.vrt").write_text(f'<VRTDataset rasterXSize="5" rasterYSize="4">{bands}</VRTDataset>')
    with RasterScene.open(tmp_path / "c.vrt") as scene:
        assert scene.dtype == np.float32
        assert [band.dtype for band in scene.bands] == ["uint8", "float32"]
        np.testing.assert_array_equal(scene.read(0, 0, 4, 5, [1, 2])[0][0], numbers(1, 4, 5)[0])


def test_a_decimated_window_takes_the_nearest_pixels(tmp_path: Path):
    values = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
    with RasterScene.open(write_raster(tmp_path / "a.tif", values, nodata=0)) as scene:
        small, valid = scene.read(0, 0, 64, 64, [1], out=(8, 8))
    assert small.shape == (1, 8, 8)
    assert valid.shape == (8, 8)
    assert np.isin(small, values).all()


def test_a_window_beyond_the_scene_is_a_mistake_of_the_caller(tmp_path: Path):
    with (
        RasterScene.open(write_raster(tmp_path / "a.tif", numbers(1, 8, 8))) as scene,
        pytest.raises(ValueError, match="not within"),
    ):
        scene.read(4, 0, 5, 8, [1])


# --- What is data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "nodata", "lacking"),
    [
        (np.array([[0, 1], [2, 3]], "uint8"), 0, 1),
        (np.array([[-9999, 1], [-3, 3]], "int16"), -9999, 1),
        (np.array([[np.nan, 1], [np.inf, 3]], "float32"), None, 2),
        (np.array([[np.nan, 1], [-1, 3]], "float32"), -1, 2),
        (np.array([[np.nan, 1], [2, 3]], "float32"), float("nan"), 1),
        (np.array([[-3.4028234663852886e38, 1], [2, 3]], "float32"), -3.40282306074e38, 1),
        (np.array([[0.1, 1], [2, 3]], "float32"), 0.1, 1),
        (np.array([[0, 1], [2, 3]], "uint8"), None, 0),
    ],
)
def test_declared_values_and_what_is_not_finite_are_no_data(
    tmp_path: Path, values: np.ndarray, nodata: float | None, lacking: int
):
    path = write_raster(tmp_path / "a.tif", values[None], nodata=nodata)
    with RasterScene.open(path) as scene:
        _, valid = scene.read(0, 0, 2, 2, [1])
        assert (~valid).sum() == lacking
        assert scene.may_lack_data([1]) == (nodata is not None or values.dtype.kind == "f")
        assert valid[1, 1]


def test_a_pixel_lacks_data_where_any_chosen_band_does(tmp_path: Path):
    values = np.array([[[0, 1, 1]], [[1, 0, 1]], [[1, 1, 0]]], "uint16")
    path = write_raster(tmp_path / "a.tif", values, nodata=0)
    assert read_all(path, 1, 2)[1].tolist() == [[False, False, True]]
    assert read_all(path, 3)[1].tolist() == [[True, True, False]]


@pytest.mark.parametrize("is_internal", [True, False])
def test_masks_inside_the_file_and_beside_it_say_what_is_data(tmp_path: Path, is_internal: bool):
    mask = numbers(1, 12, 14, seed=5)[0] > 100
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=is_internal):
        path = write_raster(tmp_path / "a.tif", numbers(3, 12, 14), mask=mask)
    assert (tmp_path / "a.tif.msk").exists() != is_internal
    with RasterScene.open(path) as scene:
        assert scene.may_lack_data([1])
        np.testing.assert_array_equal(scene.read(2, 3, 9, 8, [2, 1])[1], mask[2:11, 3:11])


def test_an_alpha_band_of_two_values_is_a_mask_unless_it_is_named(tmp_path: Path):
    values = numbers(4, 10, 10)
    values[3] = np.where(values[3] > 100, 255, 0)
    path = write_raster(tmp_path / "a.tif", values, colours="red green blue alpha")
    with RasterScene.open(path) as scene:
        assert [band.is_mask for band in scene.bands] == [False, False, False, True]
        assert scene.may_lack_data([1])
        np.testing.assert_array_equal(scene.read(0, 0, 10, 10, [1, 2, 3])[1], values[3] > 0)
        assert not scene.may_lack_data([1, 2, 3, 4])
        assert scene.read(0, 0, 10, 10, [1, 2, 3, 4])[1].all()


def test_near_infrared_tagged_alpha_is_a_band(tmp_path: Path):
    values = numbers(4, 10, 10)
    values[3, :5] = 0
    with RasterScene.open(write_raster(tmp_path / "a.tif", values, colours="red green blue alpha")) as scene:
        assert not scene.bands[3].is_mask
        assert scene.read(0, 0, 10, 10, [1, 2, 3])[1].all()


def test_an_alpha_band_that_is_opaque_everywhere_hides_nothing(tmp_path: Path):
    values = numbers(2, 10, 10)
    values[1] = 255
    with RasterScene.open(write_raster(tmp_path / "a.tif", values, colours="gray alpha")) as scene:
        assert scene.bands[1].is_mask
        assert not scene.may_lack_data([1])


def test_windows_of_a_large_alpha_band_lie_all_over_the_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.rasters.valid._WHOLE", 100)
    monkeypatch.setattr("data.rasters.valid._SIDE", 4)
    values = np.full((2, 40, 60), 255, np.uint8)
    values[1, -2, -2:] = (3, 4)
    with RasterScene.open(write_raster(tmp_path / "a.tif", values, colours="gray alpha")) as scene:
        assert not scene.bands[1].is_mask


def test_a_palette_is_red_green_and_blue_for_images_and_values_for_labels(tmp_path: Path):
    values = np.array([[[0, 1, 2, 3]]], np.uint8)
    table = {0: (9, 8, 7, 255), 1: (1, 2, 3, 255), 2: (4, 5, 6, 0), 3: (250, 0, 0, 255)}
    path = write_raster(tmp_path / "a.tif", values, table=table, nodata=3)
    with RasterScene.open(path) as scene:
        assert scene.colour_table is not None
        assert scene.colour_table[1].tolist() == [1, 2, 3, 255]
        np.testing.assert_array_equal(scene.read(0, 0, 1, 4, [1])[0], values)
    with RasterScene.open(path, expand_palette=True) as scene:
        assert [band.name for band in scene.bands] == ["red", "green", "blue"]
        pixels, valid = scene.read(0, 0, 1, 4, [3, 1])
        assert pixels[:, 0, :2].tolist() == [[7, 3], [9, 1]]
        assert valid[0, :2].all()
        assert not valid[0, 3]


def test_a_palette_with_a_transparent_colour_hides_its_pixels(tmp_path: Path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "a.png", transparency=1)
    pixels, valid = read_all(tmp_path / "a.png", expand_palette=True)
    assert pixels[:, 0, 2].tolist() == [70, 80, 90]
    assert valid.tolist() == [[True, False, True]]


def test_grey_values_that_count_from_white_are_turned(tmp_path: Path):
    values = numbers(1, 6, 7)
    path = write_raster(tmp_path / "a.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(read_all(path)[0], 255 - values)
    np.testing.assert_array_equal(read_all(path)[0][0], np.asarray(Image.open(path)))


# --- Bands and place --------------------------------------------------------------------------------------------------


def test_bands_are_named_by_description_else_interpretation_else_number(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", numbers(4, 5, 5, "uint16"), names=("", "B3"), nbits=12, photometric="rgb")
    with RasterScene.open(path) as scene:
        assert [band.name for band in scene.bands][:3] == ["red", "B3", "blue"]
        assert {band.bits for band in scene.bands} == {12}
    with RasterScene.open(write_raster(tmp_path / "b.tif", numbers(5, 5, 5), photometric="minisblack")) as scene:
        assert [band.name for band in scene.bands] == [f"band {i}" for i in range(1, 6)]


@pytest.mark.parametrize("transform", [AT, AT @ Affine.rotation(30), Affine(0.5, 0, -180, 0, 0.5, -90)])
def test_a_place_is_the_files_own_also_rotated_and_south_up(tmp_path: Path, transform: Affine):
    with RasterScene.open(write_raster(tmp_path / "a.tif", numbers(1, 6, 7), transform=transform)) as scene:
        assert scene.place is not None
        assert scene.place.transform == pytest.approx(tuple(transform)[:6])
        assert scene.place.crs_name == UTM
        assert scene.place.gcps is None


def test_ground_control_points_give_a_fitted_transform(tmp_path: Path):
    points = [GroundControlPoint(r, c, AT.c + AT.a * c, AT.f + AT.e * r) for r, c in ((0, 0), (0, 8), (6, 0), (6, 8))]
    path = write_raster(tmp_path / "a.tif", numbers(1, 6, 8), transform=None, gcps=points)
    with RasterScene.open(path) as scene:
        assert scene.place is not None
        assert scene.place.gcps is not None
        assert scene.place.gcps[1][:2] == (0, 8)
        assert scene.place.transform == pytest.approx(tuple(AT)[:6], abs=1e-6)
        assert scene.metres_per_pixel == pytest.approx(0.3)


@pytest.mark.parametrize(("kind", "world"), [("png", "pgw"), ("jpg", "jgw"), ("tif", "tfw")])
def test_a_world_file_gives_a_transform_without_a_crs(tmp_path: Path, kind: str, world: str):
    Image.fromarray(numbers(1, 6, 7)[0]).save(tmp_path / f"a.{kind}")
    (tmp_path / f"a.{world}").write_text("0.5\n0\n0\n-0.5\n100.25\n199.75\n")
    with RasterScene.open(tmp_path / f"a.{kind}") as scene:
        assert scene.place is not None
        assert scene.place.transform == (0.5, 0, 100, 0, -0.5, 200)
        assert (scene.place.crs, scene.place.crs_name) == ("", "no CRS")
        assert scene.metres_per_pixel is None


def test_a_file_without_a_place_has_none_and_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    Image.fromarray(numbers(1, 6, 7)[0]).save(tmp_path / "a.png")
    with RasterScene.open(tmp_path / "a.png") as scene:
        assert scene.place is None
        assert scene.metres_per_pixel is None
    assert capfd.readouterr() == ("", "")


# --- What cannot be read ----------------------------------------------------------------------------------------------


def cut_off(path: Path, share: float = 0.6) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("GTiff", {"compress": "deflate"}),
        ("GTiff", {}),
        ("GTiff", {"compress": "jpeg", "photometric": "ycbcr"}),
        ("PNG", {}),
        ("JPEG", {}),
        ("WEBP", {"LOSSLESS": "YES"}),
        ("JP2OpenJPEG", {}),
    ],
)
def test_half_a_file_is_damaged_where_it_is_read_in_one_line_and_in_threads(
    tmp_path: Path, kind: str, options: dict[str, Any], capfd: pytest.CaptureFixture[str]
):
    path = cut_off(
        write_raster(tmp_path / "a.any", numbers(3, 80, 90), driver=kind, crs=None, transform=None, **options)
    )
    found: list[BaseException] = []

    def read() -> None:
        with pytest.raises(DataError) as caught, RasterScene.open(path) as scene:
            scene.read(0, 0, *scene.size, [1, 2, 3])
        found.append(caught.value)

    read()
    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(found) == 2
    for error in found:
        assert str(error).startswith(f"{path} ")
        assert "\n" not in str(error)
        assert str(error).endswith("; replace the file")
    assert capfd.readouterr() == ("", "")


def test_the_damage_is_told_with_its_rows_and_columns(tmp_path: Path):
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    path = cut_off(write_raster(tmp_path / "a.tif", numbers(1, 64, 64), **layout), 0.9)
    with RasterScene.open(path) as scene:
        scene.read(0, 0, 16, 16, [1])
        with pytest.raises(DataError, match=r"is damaged in rows 48 to 63, columns 48 to 63 \(.+\); replace the file"):
            scene.read(48, 48, 16, 16, [1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected GeoTIFF"),
        (b"hello", "is of a kind that is not read; expected GeoTIFF"),
        (b"II*\0nonsense", "cannot be opened (.+); replace the file"),
        (b"<GDAL_WMS><Service name='TMS'/></GDAL_WMS>", "is of a kind that is not read"),
    ],
)
def test_what_is_no_scene_is_refused(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataError, match=message.replace("(", r"\(").replace(")", r"\)")):
        RasterScene.open(tmp_path / "a.tif")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="is missing"):
        RasterScene.open(tmp_path / "a.tif")
    with pytest.raises(DataError, match="is a folder"):
        RasterScene.open(tmp_path)


def test_complex_numbers_are_refused(tmp_path: Path):
    path = write_raster(tmp_path / "a.tif", numbers(1, 4, 4, "complex64"))
    with pytest.raises(DataError, match=r"holds complex numbers .+; save their amplitude"):
        RasterScene.open(path)


def test_a_file_that_is_one_huge_block_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.rasters.headers._LARGEST_BLOCK", 100)
    path = write_raster(tmp_path / "a.tif", numbers(3, 20, 20), compress="deflate")
    with pytest.raises(DataError, match=r"pieces of 20×20 pixels.+gdal_translate -co TILED=YES"):
        RasterScene.open(path)


def test_a_missing_source_of_a_vrt_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"gone.tif, which does not exist"):
        RasterScene.open(write_vrt(tmp_path / "a.vrt", "gone.tif", (4, 5)))
