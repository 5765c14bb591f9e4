"""Images that are missing, damaged, of another kind, far too large or of another size, each refused by its name."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.conftest import PUBLISHED, error_line, picture
from tests.files import half, image_file, png_file, tiff_file
from tools import auto_evaluate

SIZE = (32, 32)
PIXELS = picture(0, SIZE)
BAD_IMAGES: dict[str, tuple[Callable[[], bytes | None], str]] = {
    "missing": (lambda: None, "missing"),
    "empty": (lambda: b"", "is empty"),
    "zero bytes": (lambda: b"\0" * 500, "is not an image"),
    "text": (lambda: b"no image", "is not an image"),
    "web page": (lambda: b"<!DOCTYPE html><html></html>", "is not an image"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n", "is not an image"),
    "cut PNG": (lambda: half(image_file(PIXELS)), "damaged"),
    "cut JPEG": (lambda: image_file(PIXELS, "jpeg", quality=100)[:-50], "damaged"),
    "cut TIFF": (lambda: half(image_file(PIXELS, "tiff")), "damaged"),
    "cut TIFF, packed": (lambda: half(image_file(PIXELS, "tiff", compression="tiff_lzw")), "is cut off"),
    "cut header": (lambda: image_file(PIXELS)[:20], "Truncated"),
    "16-bit grey": (lambda: cv2.imencode(".png", np.full(SIZE, 3000, np.uint16))[1].tobytes(), "16-bit"),
    "16-bit colour": (lambda: cv2.imencode(".png", np.full((*SIZE, 3), 3000, np.uint16))[1].tobytes(), "16-bit"),
    "16-bit TIFF": (lambda: cv2.imencode(".tif", np.full((*SIZE, 3), 3000, np.uint16))[1].tobytes(), "16-bit"),
    "float": (lambda: image_file(np.full(SIZE, 0.5, np.float32), "tiff"), "float"),
    "CMYK JPEG": (lambda: image_file(PIXELS, "jpeg", "CMYK"), "CMYK; convert it to RGB"),
    "CMYK TIFF": (lambda: image_file(PIXELS, "tiff", "CMYK"), "CMYK; convert it to RGB"),
    "four bands": (lambda: tiff_file(np.zeros((*SIZE, 4), np.uint8), 2, (0,)), "which bands to pick is not"),
    "five bands": (lambda: tiff_file(np.zeros((*SIZE, 5), np.uint8), 2, (0, 0)), "has 5 bands"),
    "eight bands": (lambda: tiff_file(np.zeros((*SIZE, 8), np.uint8), 1, ()), "has 8 bands; which bands"),
    "four bands of 16 bits": (lambda: tiff_file(np.zeros((*SIZE, 4), np.uint16), 1, ()), "has 4 bands"),
    "large": (lambda: png_file(20000, 15000), "claims 20000×15000 pixels"),
    "bomb": (lambda: png_file(60000, 60000), "3600000000 pixels"),
    "absurd": (lambda: png_file(2**31 - 1, 2**31 - 1), "tile1.png"),
    "another size": (lambda: image_file(picture(0, (40, 32))), "40×32"),
}


@pytest.mark.parametrize("command", PUBLISHED)
@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_image_is_refused_by_name(argv, refused, custom_set, command, kind):
    make, words = BAD_IMAGES[kind]
    path = custom_set.folder / "images" / "tile1.png"
    path.unlink()
    if (content := make()) is not None:
        path.write_bytes(content)
    line = refused(1, command, argv(command, custom_set))
    assert words in line
    assert str(path) in line


@pytest.mark.parametrize("kind", ["empty", "cut PNG", "five bands"])
@pytest.mark.parametrize("workers", [0, 1])
def test_image_is_refused_by_name_without_a_cache(capsys, argv, custom_set, kind, workers):
    path = custom_set.folder / "images" / "tile1.png"
    path.write_bytes(BAD_IMAGES[kind][0]() or b"")
    options = argv("auto_evaluate", custom_set, no_cache=True, num_workers=workers)
    line = error_line(capsys, 1, auto_evaluate.main, options)
    assert line.startswith(f"error: {path}")
    assert "Traceback" not in line


@pytest.mark.parametrize(
    "content",
    [
        image_file(PIXELS, mode="L"),
        image_file(PIXELS, mode="LA"),
        image_file(PIXELS, mode="P"),
        image_file(PIXELS, mode="RGBA"),
        image_file(PIXELS, "tiff", "RGBA"),
        image_file(PIXELS, mode="1"),
        image_file(PIXELS, "jpeg"),
        image_file(PIXELS, "webp"),
    ],
    ids=["grey", "grey and alpha", "palette", "RGBA", "RGBA TIFF", "bits", "JPEG", "WebP"],
)
def test_image_of_another_kind_is_read_as_rgb(argv, accepted, custom_set, content):
    (custom_set.folder / "images" / "tile1.png").write_bytes(content)
    accepted("auto_evaluate", argv("auto_evaluate", custom_set))


def test_folder_in_place_of_an_image_is_refused(argv, refused, custom_set):
    path = custom_set.folder / "images" / "tile1.png"
    path.unlink()
    path.mkdir()
    assert str(path) in refused(1, "train_s4gan", argv("train_s4gan", custom_set))


def test_link_to_an_image_elsewhere_works_and_a_broken_one_is_refused(argv, accepted, refused, custom_set, tmp_path):
    path = custom_set.folder / "images" / "tile1.png"
    path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    accepted("auto_evaluate", argv("auto_evaluate", custom_set))
    (tmp_path / "elsewhere.png").unlink()
    assert str(path) in refused(1, "auto_evaluate", argv("auto_evaluate", custom_set, overwrite=True))
