"""GDAL's settings and the kinds of files."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import rasterio

from data.rasters.files.gdal import driver_of, session
from data.rasters.scene import RasterScene
from tests.data.rasters.scene_files import numbers, write_raster

ROOT = Path(__file__).resolve().parents[4]
_ASKED = "import data.rasters.files.gdal, os; print(os.environ['GDAL_CACHEMAX'], os.environ['GDAL_VRT_ENABLE_PYTHON'])"


@pytest.mark.parametrize(("own", "expected"), [({}, "128 NO"), ({"GDAL_CACHEMAX": "64"}, "64 NO")])
def test_the_cache_is_bounded_unless_a_user_says_otherwise_and_vrts_run_no_code(own: dict[str, str], expected: str):
    others = {key: value for key, value in os.environ.items() if not key.startswith("GDAL_")}
    done = subprocess.run([sys.executable, "-c", _ASKED], env=others | own, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().strip() == expected


@pytest.fixture
def visits() -> Iterator[tuple[str, list[str]]]:
    """A server's address, and what was asked of it."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["http://{}/a.tif", "/vsicurl/http://{}/a.tif", 'NETCDF:"http://{}/a.nc":x'])
def test_overviews_that_lie_on_a_server_are_not_fetched(tmp_path: Path, name: str, visits: tuple[str, list[str]]):
    address, asked = visits
    path = write_raster(tmp_path / "a.tif", numbers(1, 32, 32))
    with session(), rasterio.open(path, "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=name.format(address))
    with RasterScene.open(path) as scene:
        scene.read(0, 0, 32, 32, [1], out=(4, 4))
    assert asked == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"II*\0....", "GTiff"),
        (b"MM\0+....", "GTiff"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"RIFF....WEBPVP8 ", "WEBP"),
        (b"RIFF....WAVE", None),
        (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
        (b"<?xml version='1.0'?>\n<VRTDataset>", "VRT"),
        (b"BM<VRTDataset>", "VRT"),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_kinds_are_told_by_the_first_bytes(tmp_path: Path, content: bytes, expected: str | None):
    (tmp_path / "a").write_bytes(content)
    assert driver_of(tmp_path / "a") == expected
