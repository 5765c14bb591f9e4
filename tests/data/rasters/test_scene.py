"""Scenes of every kind are read as they were written, window by window, with what is data and what is not."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from data.rasters.files.gdal import session
from data.rasters.scene import RasterScene
from tests.data.rasters.scene_files import AT, UTM, numbers, read_all, write_raster
from utils.errors import DataError


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
        assert scene.place is not None
        assert (scene.place.crs_name, scene.place.transform) == (UTM, tuple(AT)[:6])
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
