"""Scenes and labels that cannot be cut: one line that says why, and nothing left behind."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from rasterio.transform import Affine
from shapely import Geometry, LineString, Polygon, box

from data.rasters.files.gdal import session
from tests.conftest import error_line
from tests.data.rasters.scene_files import AT, UTM, numbers, write_raster, write_vrt
from tools import prepare_data

LOCAL = 'LOCAL_CS["somewhere",UNIT["metre",1]]'
MOON = 'GEOGCS["Moon",DATUM["Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Zero",0],UNIT["degree",0.0174532925199433]]'
SQUARE = box(AT.c, AT.f - 9, AT.c + 9, AT.f)
Make = Callable[[Path], object]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The error of cutting what lies in `images` and `labels`; nothing is left behind."""

    def run(*flags: str, masks: str | None = None, code: int = 1) -> str:
        argv = ["scenes", "--images", str(tmp_path / "images"), "--out", str(tmp_path / "out"), "--tile-size", "32"]
        argv += ["--classes", "a,b", *flags, *(["--masks", str(tmp_path / masks)] if masks else [])]
        before = sorted(tmp_path.iterdir())
        line = error_line(capsys, code, prepare_data.main, argv)
        assert sorted(tmp_path.iterdir()) == before
        return line

    (tmp_path / "images").mkdir()
    return run


def scene(folder: Path, name: str = "s.tif", **options: object) -> Path:
    """A scene of three bands, 64×64."""
    defaults: dict[str, object] = {"colours": "red green blue", "photometric": "RGB"}
    return write_raster(folder / "images" / name, numbers(3, 64, 64), **defaults | options)  # type: ignore[arg-type]


# --- Scenes -----------------------------------------------------------------------------------------------------------


def _vrt(folder: Path, source: str) -> None:
    write_vrt(folder / "images" / "s.vrt", source, (64, 64))


def _corrupt(folder: Path) -> None:
    path = write_raster(folder / "images" / "s.tif", numbers(1, 256, 256), compress="lzw", tiled=True)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    path.write_bytes(content)


def _cut_off(folder: Path) -> None:
    path = scene(folder)
    path.write_bytes(path.read_bytes()[:3000])


SCENES: dict[str, tuple[Make, str]] = {
    "VRT without its source": (lambda f: _vrt(f, "gone.tif"), "gone.tif"),
    "VRT of a server": (lambda f: _vrt(f, "/vsicurl/http://localhost/a.tif"), "/vsicurl/"),
    "VRT of itself": (lambda f: _vrt(f, "s.vrt"), "s.vrt"),
    "VRT that is no XML": (lambda f: (f / "images" / "s.vrt").write_text("<VRTDataset"), "s.vrt"),
    "damaged tile": (_corrupt, "s.tif is damaged"),
    "cut off": (_cut_off, "s.tif"),
    "complex numbers": (
        lambda f: write_raster(f / "images" / "s.tif", numbers(1, 64, 64).astype("complex64")),
        "complex",
    ),
    "all nodata": (lambda f: scene(f, nodata=0, mask=np.zeros((64, 64), bool)), "no tile has data in 50%"),
    "all NaN": (
        lambda f: write_raster(f / "images" / "s.tif", np.full((1, 64, 64), np.nan, "float32")),
        "no tile has data in 50%",
    ),
    "smaller than a tile": (
        lambda f: write_raster(f / "images" / "s.tif", numbers(1, 20, 64)),
        "is 20×64, smaller than a tile of 32×32; lower --tile-size to 20",
    ),
    "text": (lambda f: (f / "images" / "s.tif").write_text("a picture"), "s.tif"),
    "empty": (lambda f: (f / "images" / "s.tif").touch(), "s.tif"),
    "two bands": (lambda f: write_raster(f / "images" / "s.tif", numbers(2, 64, 64)), "--bands"),
}


@pytest.mark.parametrize(("make", "words"), SCENES.values(), ids=SCENES)
def test_scenes_that_cannot_be_cut_are_refused(tmp_path: Path, refused, make: Make, words: str):
    make(tmp_path)
    assert words in refused(code=2 if "--bands" in words else 1)


def test_places_of_which_no_scale_is_known_cannot_be_brought_to_one(tmp_path: Path, refused):
    scene(tmp_path, crs=None)
    assert "has no CRS" in refused("--metres-per-pixel", "1")


def test_a_full_disk_while_tiles_are_written_is_one_line(tmp_path: Path, refused, monkeypatch: pytest.MonkeyPatch):
    scene(tmp_path)
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.suffix == ".tif":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "the disk is full" in refused()


# --- Raster masks -----------------------------------------------------------------------------------------------------


def _mask(folder: Path, values: np.ndarray | None = None, **options: object) -> None:
    scene(folder)
    (folder / "labels").mkdir()
    values = numbers(1, 64, 64) % 2 if values is None else values
    write_raster(folder / "labels" / "s.tif", values, **options)  # type: ignore[arg-type]


MASKS: dict[str, tuple[Make, str]] = {
    "elsewhere": (lambda f: _mask(f, transform=Affine(0.3, 0, 0, 0, -0.3, 0)), "does not overlap its image"),
    "another size without a place": (lambda f: _mask(f, numbers(1, 64, 60) % 2, crs=None, transform=None), "is 64×60"),
    "a plane of its own": (lambda f: _mask(f, crs=LOCAL), "labels/s.tif and its image"),
    "the Moon": (lambda f: _mask(f, crs=MOON), "labels/s.tif and its image"),
    "complex numbers": (lambda f: _mask(f, numbers(1, 64, 64).astype("complex64")), "complex numbers"),
    "unknown codes": (lambda f: _mask(f, numbers(1, 64, 64)), "% of the pixels"),
    "three bands": (lambda f: _mask(f, numbers(3, 64, 64)), "has 3 bands, expected one of class ids"),
    "fractions": (lambda f: _mask(f, numbers(1, 64, 64).astype("float32") / 7), "whole numbers"),
}


@pytest.mark.parametrize(("make", "words"), MASKS.values(), ids=MASKS)
def test_masks_that_do_not_belong_to_their_scenes_are_refused(tmp_path: Path, refused, make: Make, words: str):
    make(tmp_path)
    assert words in refused(masks="labels")


# --- Polygons ---------------------------------------------------------------------------------------------------------


def polygons(path: Path, shapes: list[Geometry | None], values: list[object], crs: str | None = UTM) -> None:
    kind = None if values and all(isinstance(value, int) for value in values) else object
    pyogrio.raw.write(
        path, shapely.to_wkb(np.array(shapes, object)), [np.array(values, kind)], ["class"],
        geometry_type="Unknown", crs=crs,
    )  # fmt: skip


BOW_TIE = Polygon([(AT.c, AT.f), (AT.c + 9, AT.f - 9), (AT.c + 9, AT.f), (AT.c, AT.f - 9)])
POLYGONS: dict[str, tuple[tuple, tuple[str, ...], int, str]] = {
    "elsewhere": (([box(0, 0, 1, 1)], ["a"]), (), 1, "none of its 1 polygons touches an image"),
    "another plane": (([SQUARE], ["a"], LOCAL), (), 1, "l.gpkg"),
    "the Moon": (([box(1, 1, 2, 2)], ["a"], MOON), (), 1, ""),
    "invalid": (([BOW_TIE], ["a"]), (), 1, "invalid (Self-intersection"),
    "lines": (([LineString([(AT.c, AT.f), (AT.c + 9, AT.f - 9)])], ["a"]), (), 1, "LineString"),
    "no such field": (([SQUARE], ["a"]), ("--label-field", "klass"), 2, "has no field 'klass'"),
    "NULL": (([SQUARE, SQUARE], ["a", None]), (), 1, "have no value (number 2)"),
    "unknown class": (([SQUARE], ["forest"]), (), 1, "forest"),
    "unknown code": (([SQUARE], [7]), (), 1, "code 7 has no class"),
    "no shape": (([None], ["a"]), (), 1, "has no geometry in any of its 1 features"),
    "no features": (([], []), (), 1, "holds no features"),
    "no such layer": (([SQUARE], ["a"]), ("--label-layer", "m"), 2, "layer"),
    "order of no class": (([SQUARE], ["a"]), ("--label-order", "a,c"), 2, "--label-order"),
    "background of no class": (([SQUARE], ["a"]), ("--background", "c"), 2, "--background"),
}


@pytest.mark.parametrize(("given", "flags", "code", "words"), POLYGONS.values(), ids=POLYGONS)
def test_polygons_that_cannot_be_labels_are_refused(
    tmp_path: Path, refused, given: tuple, flags: tuple[str, ...], code: int, words: str
):
    scene(tmp_path)
    polygons(tmp_path / "l.gpkg", *given)
    assert words in refused(*flags, masks="l.gpkg", code=code)


@pytest.mark.parametrize("place", [{"crs": None}, {"crs": None, "transform": None}])
def test_polygons_need_a_place_of_the_scene(tmp_path: Path, refused, place: dict[str, None]):
    scene(tmp_path, **place)
    polygons(tmp_path / "l.gpkg", [SQUARE], ["a"])
    assert "s.tif has no " in refused(masks="l.gpkg")


@pytest.mark.parametrize("content", [b"", b"{", b"SQLite format 3\0" + bytes(99), b'{"type": "FeatureCollection"}'])
def test_vector_files_that_are_damaged_are_refused(tmp_path: Path, refused, content: bytes):
    scene(tmp_path)
    (tmp_path / "l.geojson").write_bytes(content)
    assert "l.geojson" in refused(masks="l.geojson")


def test_a_raster_in_the_place_of_polygons_is_refused(tmp_path: Path, refused):
    with session():
        scene(tmp_path).rename(tmp_path / "l.gpkg")
    scene(tmp_path)
    assert "l.gpkg is no GeoPackage" in refused(masks="l.gpkg")
