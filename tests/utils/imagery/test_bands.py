import numpy as np
import pytest

from utils.errors import DataError
from utils.imagery.bands import BY_MASK, RGB_BANDS, Bands, bands_of_json, default_display
from utils.imagery.pixels import RGB_PIXELS, PixelFormat

MEAN, STD = [0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.2, 0.1]
FOUR = {"bands": [{"index": i, "name": n} for i, n in ((4, "nir"), (3, "Red"), (2, "green"), (1, "blue"))]}


def test_nothing_said_means_red_green_and_blue_of_8_bits():
    assert bands_of_json({}) == RGB_BANDS
    assert RGB_BANDS.is_plain
    assert RGB_BANDS.pixels is RGB_PIXELS


def test_what_is_written_is_read():
    bands = Bands(
        ("nir", "red"), (4, 1), ((0, 3000), (-1.5, 2)), (0.5, 0.1), (0.1, 0.2), (1,), metres_per_pixel=0.3, nodata=0
    )
    assert bands_of_json(bands.as_json()) == bands
    assert not bands.is_plain
    assert bands.pixels == PixelFormat((0.5, 0.1), (0.1, 0.2), has_validity=True)
    assert bands.pixels.channels == 3
    assert bands_of_json(Bands(nodata=BY_MASK).as_json()).nodata == BY_MASK


def test_names_alone_are_the_first_bands_of_the_files():
    assert bands_of_json({"bands": ["red", "green", "blue"]}) == RGB_BANDS


def test_red_green_and_blue_are_shown_as_such_wherever_they_stand():
    bands = bands_of_json(FOUR | {"mean": MEAN, "std": STD})
    assert bands.display == (1, 2, 3)
    assert default_display(["a", "b", "c", "d"]) == (0, 1, 2)
    assert default_display(["a", "b"]) == (0,)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (FOUR, "other than red, green, blue need `mean` and `std`"),
        ({"bands": []}, "`bands` is .*, expected 1 to 64 entries"),
        ({"bands": [{"index": 0, "name": "red"}]}, "`bands` is"),
        ({"bands": [{"index": 1, "name": "a"}, {"index": 2, "name": "A"}]}, "expected different names"),
        ({"ranges": [[0, 255]]}, "`ranges` is .*, expected 3 pairs"),
        ({"ranges": [[0, 255], [0, 255], [5, 5]]}, "`ranges` is"),
        ({"ranges": [[0, 255], [0, 255], [0, float("inf")]]}, "`ranges` is"),
        ({"mean": [0, 0, 0], "std": [1, 1, 0]}, "deviations above 0"),
        ({"display_bands": [0, 1]}, "one or three positions"),
        ({"display_bands": [0, 1, 3]}, "positions of 0 to 2"),
        ({"metres_per_pixel": 0}, "`metres_per_pixel` is 0, expected a length above 0"),
        ({"nodata": "zero"}, "`nodata` is zero, expected a number"),
        ({"nodata": float("nan")}, "`nodata` is nan"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_was_expected(raw, message: str):
    with pytest.raises(DataError, match=message):
        bands_of_json(raw)


def test_tiles_are_shown_by_their_display_bands_and_grey_without_data():
    image = np.arange(2 * 2 * 5, dtype=np.uint8).reshape(2, 2, 5)
    image[..., 4] = [[255, 254], [0, 255]]
    bands = Bands(("a", "b", "c", "d"), (1, 2, 3, 4), ((0, 1),) * 4, (0.5,) * 4, (0.1,) * 4, (3, 1, 0), nodata=0)
    shown = bands.as_shown(image)
    assert shown[0, 0].tolist() == [3, 1, 0]
    assert shown[0, 1].tolist() == shown[1, 0].tolist() == [128, 128, 128]
    assert shown.dtype == np.uint8
    one = Bands(("grey",), (1,), ((0, 255),), (0.5,), (0.1,), (0,))
    assert one.as_shown(image[..., :1])[1, 1].tolist() == [15, 15, 15]
    rgb = image[..., :3]
    assert RGB_BANDS.as_shown(rgb) is rgb
