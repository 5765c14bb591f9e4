from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from utils.drawing.pictures import (
    beside,
    colourise,
    contact_sheet,
    errors,
    legend_of,
    notice,
    overlay,
    picture_grid,
    save_bars,
    save_contact_sheets,
    save_picture,
    with_legend,
)
from utils.errors import OptionError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
COLOURS = [RED, GREEN, BLUE]


def plain(colour: tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_class_maps_take_the_classes_colours_and_ignored_pixels_are_black(dtype):
    picture = colourise(np.array([[0, 2], [255, 1]], dtype), COLOURS)
    assert picture.tolist() == [[list(RED), list(BLUE)], [[0, 0, 0], list(GREEN)]]
    assert picture.dtype == np.uint8


def test_an_overlay_blends_and_leaves_ignored_pixels_alone():
    image = np.full((1, 3, 3), 100, np.uint8)
    blended = overlay(image, np.array([[0, 1, 255]]), COLOURS, opacity=0.25)
    assert blended.tolist() == [[[139, 75, 75], [75, 139, 75], [100, 100, 100]]]  # 0.75 · 100 + 0.25 · 255 = 138.75
    assert blended.dtype == np.uint8


def test_grid_places_pictures_in_rows():
    sheet = picture_grid([[plain(RED), plain(GREEN)], [plain(BLUE)]], [["", ""], [""]], size=20)
    assert sheet.size == (2 * 26 + 6, 2 * 26 + 6)
    middles = {(16, 16): RED, (42, 16): GREEN, (16, 42): BLUE, (42, 42): (255, 255, 255), (2, 2): (255, 255, 255)}
    assert {place: sheet.getpixel(place) for place in middles} == middles


def test_a_caption_makes_room_for_its_lines():
    heights = [picture_grid([[plain(RED)]], [[text]], size=20).height for text in ("", "one", "one\ntwo")]
    assert heights == [32, 32 + 18, 32 + 36]


def test_captions_stay_below_their_own_picture():
    text = "a very long name of a tile\n" * 2
    sheet = np.asarray(picture_grid([[plain(RED), plain(RED)]], [[text, ""]], size=60))
    below = (sheet[66:] < 128).all(axis=2)
    assert below[:, :66].any()
    assert not below[:, 66:].any()


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (6, 6, 1), (7, 6, 2), (0, 1, 0)])
def test_contact_sheet_has_six_columns(count, columns, rows):
    sheet = contact_sheet([plain(RED)] * count, ["tile"] * count)
    assert sheet.size == (columns * 166 + 6, rows * (160 + 18 + 6) + 6)


def test_contact_sheet_reads_from_left_to_right():
    sheet = contact_sheet([plain(RED), plain(GREEN), plain(BLUE)], ["", "", ""], columns=2)
    assert [sheet.getpixel(place) for place in ((80, 80), (246, 80), (80, 246))] == [RED, GREEN, BLUE]


def test_contact_sheets_hold_sixty_and_full_ones_are_not_drawn_again(tmp_path):
    drawn: list[int] = []

    def picture_of(number: int) -> np.ndarray:
        drawn.append(number)
        return plain((number, 0, 0))

    path = tmp_path / "chosen.png"
    captions = [str(number) for number in range(130)]
    sheets = [tmp_path / name for name in ("chosen.png", "chosen_2.png", "chosen_3.png")]
    assert save_contact_sheets(path, picture_of, captions[:70]) == sheets[:2]
    assert drawn == list(range(70))
    drawn.clear()
    first = sheets[0].stat().st_mtime_ns
    assert save_contact_sheets(path, picture_of, captions, first=70) == sheets
    assert drawn == list(range(60, 130))
    assert sheets[0].stat().st_mtime_ns == first
    with Image.open(sheets[2]) as last:
        assert [last.getpixel(place) for place in ((80, 80), (246, 80))] == [(120, 0, 0), (121, 0, 0)]
        assert last.height == 2 * (160 + 18 + 6) + 6  # ten pictures


def test_bars_are_a_png_of_two_series(tmp_path):
    save_bars(tmp_path / "bars.png", "classes", ["road", "river"], {"chosen": [0.25, 0.75], "all": [0.5, 0.5]})
    with Image.open(tmp_path / "bars.png") as opened:
        assert opened.format == "PNG"
        pixels = np.asarray(opened.convert("RGB")).reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    bars = {tuple(c): n for c, n in zip(colours.tolist(), counts, strict=True) if max(c) - min(c) > 50 and n > 500}
    assert set(bars) == {(31, 119, 180), (255, 127, 14)}  # matplotlib's first two colours
    assert bars[31, 119, 180] == pytest.approx(bars[255, 127, 14], rel=0.15)  # both add up to one


def test_a_notice_writes_its_words_inside_the_picture():
    picture = notice("no pseudo-label: the score 0.488 is not above the threshold 0.6", 120)
    assert picture.shape == (120, 120, 3)
    dark = (picture < 128).all(axis=2)
    assert dark.any(axis=1).sum() > 30  # several lines
    assert not dark[:, :4].any()
    assert not dark[:, -4:].any()


def test_pictures_stand_side_by_side_under_their_headings():
    left, right = Image.new("RGB", (80, 50), RED), Image.new("RGB", (80, 30), GREEN)
    sheet = beside([left, right], ["labelled tiles, with more words than fit one line", "others"])
    top = sheet.height - 50
    assert [sheet.getpixel(place) for place in ((40, top + 25), (132, top + 15), (132, top + 40))] == [
        RED, GREEN, (255, 255, 255),
    ]  # fmt: skip
    words = (np.asarray(sheet)[:top] < 128).all(axis=2)
    assert words[:, :80].any(axis=1).sum() > words[:, 92:].any(axis=1).sum() > 0
    assert not words[:, 80:92].any()


def test_the_legend_says_what_black_is_where_there_is_some():
    assert legend_of(["road"], [RED], [np.zeros((2, 2))]) == (["road"], [RED])
    assert legend_of(["road"], [RED], [np.zeros((2, 2)), np.full((2, 2), 255)]) == (
        ["road", "no label"],
        [RED, (0, 0, 0)],
    )


def test_legend_lists_every_class_in_its_colour():
    sheet = with_legend(Image.new("RGB", (30, 20), RED), ["road", "river", "a much longer name"], COLOURS)
    assert sheet.getpixel((15, 10)) == RED
    assert [sheet.getpixel((30 + 6 + 8, 6 + 8 + 22 * row)) for row in range(3)] == COLOURS
    assert sheet.height == 3 * 22 + 12
    names = (np.asarray(sheet)[:, 30 + 6 + 22 :] < 128).all(axis=2)
    assert [bool(names[6 + 22 * row : 28 + 22 * row].any()) for row in range(3)] == [True] * 3
    assert not names[:, -4:].any()  # the longest name fits


@pytest.mark.parametrize("as_array", [False, True])
def test_saved_pictures_are_png_files(tmp_path, as_array):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = tmp_path / "new folder" / "picture.png"
    save_picture(path, picture if as_array else Image.fromarray(picture))
    with Image.open(path) as opened:
        assert opened.format == "PNG"
        np.testing.assert_array_equal(np.asarray(opened), picture)
    assert [file.name for file in path.parent.iterdir()] == ["picture.png"]


def test_a_picture_that_cannot_be_written_is_an_option_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="could not be written"):
        save_picture(Path(tmp_path / "file" / "picture.png"), plain(RED))


def test_errors_are_red_and_pixels_without_a_label_black():
    image = plain((100, 100, 100), (1, 3))
    picture = errors(image, np.array([[1, 1, 255]]), np.array([[1, 2, 0]]))
    right, wrong, ignored = picture[0].tolist()
    assert right == [160, 160, 160]
    assert wrong[0] > 190 > 80 > wrong[1]
    assert ignored == [0, 0, 0]
    assert picture.dtype == np.uint8
