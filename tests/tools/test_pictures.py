import numpy as np
from PIL import Image

from tools import pictures
from utils.drawing.pictures import contact_sheet


def noise(width, height):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def test_pictures_stay_small_and_keep_their_shape(tmp_path):
    pictures.save_small(tmp_path / "noise.png", noise(1500, 900))
    with Image.open(tmp_path / "noise.png") as small:
        assert small.width <= pictures.WIDEST
        assert abs(small.width / small.height - 1500 / 900) < 0.01
    assert (tmp_path / "noise.png").stat().st_size <= pictures.LARGEST


def test_the_first_rows_end_between_two_rows():
    tiles = [np.full((8, 8, 3), 200, np.uint8)] * 12
    sheet = contact_sheet(tiles, ["a\nb\nc\nd"] * 12)
    rows = np.asarray(pictures.first_rows(sheet, 1))
    assert (rows[-6:] == 255).all()  # white below the captions
    assert (np.asarray(sheet)[rows.shape[0] : rows.shape[0] + 8] != 255).any()  # and then the next row begins
    assert pictures.first_rows(sheet, 9).size == sheet.size


def test_all_pictures_of_a_run_are_taken_over(tmp_path, capsys):
    demo, out = tmp_path / "demo", tmp_path / "assets"
    assert pictures.main(["--demo", str(demo), "--out", str(out)]) == 2
    assert "run `make demo` first" in capsys.readouterr().err
    assert not out.exists()
    for place in pictures.OF_A_RUN.values():
        path = demo / place.replace("*", "x")
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(400, 300).save(path)
    assert pictures.main(["--demo", str(demo), "--out", str(out)]) == 0
    made = {path.stem for path in out.glob("*.png")}
    assert made == {"method", "demo", "chosen", "curves", "miou", "classes", "confusion"}
