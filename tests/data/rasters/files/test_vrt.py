"""A VRT reads local images and nothing else."""

import os
from pathlib import Path

import numpy as np
import pytest

from data.rasters.files.vrt import vrt_sources
from data.rasters.scene import RasterScene
from tests.data.rasters.scene_files import numbers, write_raster, write_vrt
from utils.errors import DataError

SIZE = (4, 5)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "image.tif", numbers(1, *SIZE))


def values_of(path: Path) -> np.ndarray:
    with RasterScene.open(path) as scene:
        return scene.read(0, 0, *scene.size, [1])[0]


def test_sources_are_found_beside_above_by_absolute_paths_through_links_and_other_vrts(tmp_path: Path, image: Path):
    (tmp_path / "deep").mkdir()
    inner = write_vrt(tmp_path / "inner.vrt", "image.tif", SIZE)
    outer = write_vrt(tmp_path / "deep" / "outer.vrt", "../inner.vrt", SIZE)
    absolute = write_vrt(tmp_path / "deep" / "absolute.vrt", str(image), SIZE)
    (tmp_path / "deep" / "link.vrt").symlink_to(os.path.relpath(inner, tmp_path / "deep"))
    for vrt in (inner, outer, absolute, tmp_path / "deep" / "link.vrt"):
        assert vrt_sources(vrt) == (image,)
        np.testing.assert_array_equal(values_of(vrt), numbers(1, *SIZE))


def test_a_vrt_is_known_by_its_content_whatever_it_is_called(tmp_path: Path, image: Path):
    path = write_vrt(tmp_path / "scene.tif", "/vsicurl/http://localhost/a.tif", SIZE)
    with pytest.raises(DataError, match="no local file"):
        RasterScene.open(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gone.tif", "gone.tif, which does not exist; put the file there"),
        ("/vsicurl/http://localhost/a.tif", "'/vsicurl/http://localhost/a.tif', which is no local file"),
        ("/vsis3/bucket/a.tif", "which is no local file"),
        ("/VSIZIP/a.zip/a.tif", "which is no local file"),
        ("https://localhost/a.tif", "which is no local file"),
        ("WMS:x", "WMS:x, which does not exist"),
        ("&lt;GDAL_WMS&gt;&lt;/GDAL_WMS&gt;", "which does not exist"),
        ("text.txt", "text.txt, which is no GeoTIFF"),
        ("wms.tif", "wms.tif, which is no GeoTIFF"),
        ("a.vrt", "which reads it in turn"),
        ("/dev/zero", "is a pipe, a socket or a device"),
    ],
)
def test_sources_that_are_no_local_image_are_refused(tmp_path: Path, source: str, message: str):
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "wms.tif").write_text("<GDAL_WMS></GDAL_WMS>")
    with pytest.raises(DataError) as caught:
        RasterScene.open(write_vrt(tmp_path / "a.vrt", source, SIZE))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("inside", "band", "message"),
    [
        ("", "<PixelFunctionLanguage>Python</PixelFunctionLanguage>", "code in a file is never run"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]>", "", "document type or entities"),
        ("<Overview><SourceFilename>/vsicurl/x</SourceFilename></Overview>", "", "no local file"),
        ('<A sourceFilename="/vsicurl/x"/>', "", "no local file"),
        ("<MaskBand><B><SOURCEFILENAME>gone</SOURCEFILENAME></B></MaskBand>", "", "gone, which does not exist"),
        ('<Metadata domain="GEOLOCATION"><MDI key="X_DATASET">gone</MDI></Metadata>', "", "gone, which does not exist"),
        ("<SourceFilename relativeToVRT='yes'>image.tif</SourceFilename>", "", "in an unusual way"),
        ("<unclosed>", "", "is not a whole VRT"),
    ],
)
def test_what_else_a_vrt_may_carry_is_refused(tmp_path: Path, image: Path, inside: str, band: str, message: str):
    with pytest.raises(DataError) as caught:
        RasterScene.open(write_vrt(tmp_path / "a.vrt", "image.tif", SIZE, inside=inside, band=band))
    assert message in str(caught.value)


def test_metadata_may_speak_of_web_pages(tmp_path: Path, image: Path):
    page = "<Metadata><MDI key='source'>https://example.org</MDI></Metadata>"
    np.testing.assert_array_equal(
        values_of(write_vrt(tmp_path / "a.vrt", "image.tif", SIZE, inside=page)), numbers(1, *SIZE)
    )


def test_unusual_kinds_of_vrt_are_refused(tmp_path: Path):
    (tmp_path / "a.vrt").write_text('<VRTDataset subClass="VRTProcessedDataset"></VRTDataset>')
    with pytest.raises(DataError, match="is a VRTProcessedDataset, which is not read"):
        RasterScene.open(tmp_path / "a.vrt")
