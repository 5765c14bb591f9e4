from utils.drawing.html import cards, details, number, page, paragraph, picture, section, swatch, table

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (1032).to_bytes(4, "big") + (700).to_bytes(4, "big")


def test_text_is_never_taken_for_markup():
    hostile = '<script>"x" & y</script>'
    parts = [
        page(hostile),
        paragraph(hostile),
        section(hostile, "content"),
        cards([(hostile, hostile, hostile)]),
        picture(PNG, hostile),
        table([hostile], []),
        details(hostile, ""),
    ]
    for part in parts:
        assert "<script" not in part
        assert "&lt;script&gt;" in part


def test_pictures_are_inside_the_page_and_know_their_size():
    text = picture(PNG, "a picture")
    assert 'src="data:image/png;base64,' in text
    assert 'width="1032" height="700"' in text
    assert picture(None, "no picture") == ""


def test_a_section_of_nothing_is_left_out():
    assert section("heading", "", "") == ""
    assert page("title", "").count("<h2>") == 0


def test_a_marked_row_and_columns_of_words():
    text = table(["step", "reason"], [["1", "x"], ["2", "y"]], marked=1, text=[1])
    assert '<tr class="marked"><td>2</td><td class="text">y</td></tr>' in text
    assert text.count("marked") == 1


def test_no_picture_is_wider_than_the_page_or_cut():
    assert "min-width" not in picture(PNG, "a picture")
    assert "figure img { display: block; max-width: 100%; height: auto;" in page("")


def test_numbers_have_three_decimals_and_their_interval_below():
    assert number(0.12345) == "0.123"
    assert number(0.5, 0.4567, 0.6) == "0.500<small>0.457–0.600</small>"
    assert number(0.5, None, None) == "0.500"
    assert number(None) == "–"


def test_a_swatch_has_its_colour():
    assert "rgb(1,2,3)" in swatch((1, 2, 3))
