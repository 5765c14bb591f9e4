"""GDAL's settings and the kinds of files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.rasters.gdal import driver_of

ROOT = Path(__file__).resolve().parents[3]
_ASKED = "import data.rasters.gdal, os; print(os.environ['GDAL_CACHEMAX'], os.environ['GDAL_VRT_ENABLE_PYTHON'])"


@pytest.mark.parametrize(("own", "expected"), [({}, "256 NO"), ({"GDAL_CACHEMAX": "64"}, "64 NO")])
def test_the_cache_is_bounded_unless_a_user_says_otherwise_and_vrts_run_no_code(own: dict[str, str], expected: str):
    others = {key: value for key, value in os.environ.items() if not key.startswith("GDAL_")}
    done = subprocess.run([sys.executable, "-c", _ASKED], env=others | own, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().strip() == expected


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
