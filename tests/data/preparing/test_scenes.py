"""Scenes: exact cutting, groups, masks of colours and ids, what is refused."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data.dataset_json import load_description
from data.lists.splits import read_names
from data.preparing.classes import read_classes, read_palette
from data.preparing.tile_grid import tile_origins
from data.reader import TileReader
from tests.conftest import orientation, write_image
from tools.prepare_data import main
from utils.errors import DataError, OptionError, UserError

PALETTE = {"land": (132, 41, 246), "water": (226, 169, 41), "road": (0, 0, 0)}
PALETTE_TEXT = "land=#8429F6, water=#E2A929,road=#000000"
TILE = 32


def write_scenes(folder, sizes, with_masks=True, kind="RGB", seed=0):
    """Random images `<name>.png` (PNG keeps their pixels), and masks in blocks of 8 pixels; returns both by name."""
    rng = np.random.default_rng(seed)
    scenes = {}
    for name, (height, width) in sizes.items():
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        ids = rng.integers(0, 3, (height // 8 + 1, width // 8 + 1), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        ids = np.ascontiguousarray(ids[:height, :width])
        scenes[name] = image, ids
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "images" / f"{name}.png")
        if with_masks is True or (with_masks and name in with_masks):
            write_mask(folder / "masks" / f"{name}.png", ids, kind)
    return scenes


def write_mask(path, ids, kind):
    colours = np.array([*PALETTE.values(), (155, 155, 155)], np.uint8)
    mask = Image.fromarray(colours[np.minimum(ids, 3)] if kind == "RGB" else ids)
    if kind == "P":
        mask.putpalette(colours.tobytes())
    mask.save(path)


def cut(folder, *options, masks=True, classes=("--palette", PALETTE_TEXT)):
    places = ["--images", folder / "images", "--out", folder / "out", *(["--masks", folder / "masks"] if masks else [])]
    return main([str(text) for text in ("scenes", *places, *classes, "--tile-size", TILE, *options)])


def read(folder):
    """Description, lists and a reader of what was cut."""
    out = folder / "out"
    description = load_description("custom", out)
    lists = {path.stem: read_names(path, description) for path in sorted(out.glob("*.txt"))}
    return description, lists, TileReader(description, out, (TILE, TILE))


def error_line(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning")]
    assert len(lines) == 1
    return lines[0]


@given(tile_size=st.integers(1, 60), beyond=st.integers(0, 300), share=st.floats(0.01, 1))
def test_origins_cover_a_side(tile_size, beyond, share):
    length, stride = tile_size + beyond, max(1, int(share * tile_size))
    origins = tile_origins(length, tile_size, stride)
    assert origins[0] == 0
    assert origins[-1] == length - tile_size
    steps = np.diff(origins)
    assert (steps > 0).all()
    assert (steps <= stride).all()
    assert (steps[:-1] == stride).all()


@pytest.mark.parametrize("kind", ["RGB", "P", "L"])
@pytest.mark.parametrize("stride", [TILE, 20])
def test_tiles_hold_the_pixels_of_their_scene(tmp_path, kind, stride):
    scenes = write_scenes(tmp_path, {"b c_1": (70, 96), "a": (32, 45), "d": (32, 32)}, kind=kind)
    classes = ("--classes", "land,water,road") if kind == "L" else ("--palette", PALETTE_TEXT)
    assert cut(tmp_path, "--stride", stride, classes=classes) == 0
    description, lists, reader = read(tmp_path)
    assert description.classes == ("land", "water", "road")
    assert description.palette == (None if kind == "L" else tuple(PALETTE.values()))
    covered = {name: np.zeros(ids.shape, bool) for name, (_, ids) in scenes.items()}
    names = [name for part in lists.values() for name in part]
    for name in names:
        scene, row, column = re.fullmatch(r"(.*)_(\d+)_(\d+)", name).groups()
        image, ids = scenes[scene]
        top, left = (min(int(i) * stride, n - TILE) for i, n in zip((row, column), ids.shape, strict=True))
        window = np.s_[top : top + TILE, left : left + TILE]
        np.testing.assert_array_equal(reader.image(name), image[window])
        np.testing.assert_array_equal(reader.mask(name), ids[window])
        covered[scene][window] = True
    assert all(pixels.all() for pixels in covered.values())
    assert len(names) == len(set(names)) == len(list((tmp_path / "out" / "images").iterdir()))
    if stride == TILE:
        assert len(names) == 3 * 3 + 2 + 1


def test_colour_masks_read_as_ids_and_as_colours(tmp_path):
    scenes = write_scenes(tmp_path, {"a": (32, 32), "b": (32, 32)})
    assert cut(tmp_path) == 0
    mask = Image.open(tmp_path / "out" / "masks" / "a_0_0.png")
    colours = np.array(list(PALETTE.values()), np.uint8)
    np.testing.assert_array_equal(np.asarray(mask), scenes["a"][1])
    np.testing.assert_array_equal(np.asarray(mask.convert("RGB")), colours[scenes["a"][1]])


def test_scenes_stay_on_one_side(tmp_path):
    write_scenes(tmp_path, {f"s{i}": (70, 70) for i in range(6)})
    assert cut(tmp_path, "--val-share", "0.2") == 0
    description, lists, _ = read(tmp_path)
    scenes = {part: set(description.groups_of(names).values()) for part, names in lists.items()}
    assert sorted(scenes["train"] | scenes["test"] | scenes["val"]) == [f"s{i}" for i in range(6)]
    assert sum(map(len, scenes.values())) == 6
    assert all(scenes.values())


def test_grouped_scenes_stay_on_one_side(tmp_path):
    write_scenes(tmp_path, {f"tile{t}_part_{p}": (40, 40) for t in range(4) for p in range(3)})
    assert cut(tmp_path, "--group", r"tile\d+", "--test-share", "0.25") == 0
    description, lists, _ = read(tmp_path)
    assert len(set(description.groups_of(lists["test"]).values())) == 1
    assert len(lists["test"]) == 3 * 4
    assert len(set(description.groups_of(lists["train"]).values())) == 3


def test_large_scene_is_not_drawn_for_a_small_share(tmp_path):
    write_scenes(tmp_path, {"big": (128, 128), "s1": (32, 32), "s2": (32, 32), "s3": (32, 32), "s4": (32, 32)})
    for seed in range(3):
        assert cut(tmp_path, "--random-seed", seed, "--overwrite") == 0
        assert 3 <= len(read(tmp_path)[1]["test"]) <= 4


@pytest.mark.parametrize(("group", "reason"), [(r"\d+$", "from its tile"), (r"^x", "does not match scene 'a1'")])
def test_group_that_reads_otherwise_on_tiles_is_refused(tmp_path, capsys, group, reason):
    write_scenes(tmp_path, {"a1": (40, 40), "a2": (40, 40)})
    assert cut(tmp_path, "--group", group) == 2
    assert reason in error_line(capsys)
    assert not (tmp_path / "out").exists()


def test_single_scene_is_split_with_a_warning(tmp_path, capsys):
    write_scenes(tmp_path, {"a": (64, 160)})
    assert cut(tmp_path) == 0
    assert "share one scene" in capsys.readouterr().err
    assert len(read(tmp_path)[1]["test"]) == 2


def test_scenes_without_mask_are_the_unlabelled_pool(tmp_path, capsys):
    sizes = {f"s{i}": (32, 64) for i in range(6)}
    write_scenes(tmp_path, sizes, with_masks=("s0", "s1", "s2"))
    assert cut(tmp_path, "--test-share", "0.3") == 0
    _, lists, reader = read(tmp_path)
    assert {name for name in lists["train"] if not reader.has_mask(name)} == {
        f"s{i}_0_{column}" for i in (3, 4, 5) for column in (0, 1)
    }
    assert len(lists["test"]) == 2
    assert all(reader.has_mask(name) for name in lists["test"])
    assert "6 of 12 tiles" in capsys.readouterr().out


def test_unlabelled_neighbours_of_test_tiles_are_left_out(tmp_path, capsys):
    write_scenes(tmp_path, {f"t{t}_{p}": (32, 32) for t in range(3) for p in "ab"}, with_masks=("t0_a", "t1_a", "t2_a"))
    assert cut(tmp_path, "--group", r"t\d", "--test-share", "0.3") == 0
    description, lists, _ = read(tmp_path)
    assert len(lists["test"]) == 1
    assert len(lists["train"]) == 4
    assert description.groups_of(lists["test"])[lists["test"][0]] not in set(
        description.groups_of(lists["train"]).values()
    )
    assert "in none: 1 without a mask" in capsys.readouterr().out


def test_no_masks_at_all(tmp_path, capsys):
    write_scenes(tmp_path, {"a": (64, 64), "b": (64, 64)}, with_masks=False)
    assert cut(tmp_path, masks=False, classes=("--classes", "land,water")) == 0
    assert read(tmp_path)[0].ignore_codes == {255}  # what a drawing tool writes where nothing is drawn
    _, lists, _ = read(tmp_path)
    assert list(lists) == ["train"]
    assert len(lists["train"]) == 8
    assert not (tmp_path / "out" / "masks").exists()
    assert "none of 8 tiles" in capsys.readouterr().out


def test_dominant_class_is_the_scene_label(tmp_path):
    write_scenes(tmp_path, {"a": (32, 32), "b": (32, 32), "c": (32, 32)})
    ids = np.full((32, 32), 1, np.uint8)
    ids[:15] = 2
    write_mask(tmp_path / "masks" / "a.png", ids, "RGB")
    write_mask(tmp_path / "masks" / "b.png", np.where(ids == 1, 200, 2).astype(np.uint8), "RGB")  # most is ignored
    write_mask(tmp_path / "masks" / "c.png", np.full((32, 32), 200, np.uint8), "RGB")
    assert cut(tmp_path, "--scene-labels", "dominant", "--ignore-colours", "#9B9B9B") == 0
    assert (tmp_path / "out" / "scene_labels.csv").read_text() == "name,label\na_0_0,water\nb_0_0,road\n"
    description, _, reader = read(tmp_path)
    assert description.scene_classes == ("water", "road")
    assert not reader.has_mask("c_0_0")  # one without a labelled pixel is none
    assert sorted(np.unique(reader.mask("b_0_0"))) == [2, 255]


def test_one_dominant_class_is_no_scene_label(tmp_path, capsys):
    write_scenes(tmp_path, {"a": (32, 32), "b": (32, 32)})
    for name in "ab":
        write_mask(tmp_path / "masks" / f"{name}.png", np.ones((32, 32), np.uint8), "RGB")
    assert cut(tmp_path, "--scene-labels", "dominant") == 2
    assert "one class, water, is dominant in all tiles" in error_line(capsys)
    assert not (tmp_path / "out").exists()


def test_tiles_with_few_labels_are_left_out(tmp_path):
    write_scenes(tmp_path, {"a": (32, 96), "b": (32, 32)})
    ids = np.zeros((32, 96), np.uint8)
    ids[:, 32:48], ids[:, 64:90] = 200, 200
    write_mask(tmp_path / "masks" / "a.png", ids, "RGB")
    assert cut(tmp_path, "--min-labelled", "0.5", "--ignore-colours", "#9B9B9B") == 0
    _, lists, _ = read(tmp_path)
    assert {name for part in lists.values() for name in part} == {"a_0_0", "a_0_1", "b_0_0"}


def test_few_strange_pixels_become_ignore_with_a_warning(tmp_path, capsys):
    write_scenes(tmp_path, {"a": (32, 64), "b": (32, 32)})
    ids = np.zeros((32, 64), np.uint8)
    ids[0] = 200  # 64 of 2048 pixels, all grey: a colour that nobody named
    write_mask(tmp_path / "masks" / "a.png", ids, "RGB")
    assert cut(tmp_path) == 0
    assert "warning: 1 masks hold pixels of no class, which are ignored (most in a: 3.12%)" in capsys.readouterr().err
    description, _, reader = read(tmp_path)
    assert description.ignore_colours == ((1, 1, 1),)  # black is a road
    assert (reader.mask("a_0_0")[0] == 255).all()
    assert (reader.mask("a_0_0")[1:] == 0).all()


def edit_first(folder, kind):
    """Damage the input in one way; returns options to add."""
    image, mask = folder / "images" / "a.png", folder / "masks" / "a.png"
    if kind == "small":
        Image.new("RGB", (31, 40)).save(image)
    elif kind == "mask size":
        Image.new("RGB", (40, 41)).save(mask)
    elif kind == "truncated":
        image.write_bytes(image.read_bytes()[:2000])
    elif kind == "strange colours":
        Image.new("RGB", (40, 40), (9, 9, 9)).save(mask)
    elif kind == "twice":
        Image.new("RGB", (40, 40)).save(folder / "images" / "a.jpg")
    elif kind == "no image":
        image.unlink()
    elif kind == "no mask of an image":
        mask.rename(folder / "masks" / "b.png")
    elif kind == "long name":
        for part in ("images", "masks"):
            (folder / part / "a.png").rename(folder / part / f"{'a' * 251}.png")
    elif kind == "blank name":
        image.rename(folder / "images" / "a\n.png")


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        ("small", 1, "is 40×31, smaller than a tile of 32×32; lower --tile-size to 31"),
        ("mask size", 1, "is 41×40, but its image is 40×40"),
        ("truncated", 1, "a.png is damaged"),
        ("strange colours", 1, "100.0% of the pixels have colours that no class has (most often #090909)"),
        ("twice", 1, "two scenes are called 'a'"),
        ("no image", 1, "holds no scenes"),
        ("no mask of an image", 1, "holds no mask of an image"),
        ("blank name", 1, "cannot stand in a list"),
        ("long name", 1, "shorten its name by 4"),
    ],
)
def test_bad_scene_is_one_line_and_leaves_nothing(tmp_path, capsys, kind, code, reason):
    write_scenes(tmp_path, {"a": (40, 40)})
    edit_first(tmp_path, kind)
    assert cut(tmp_path) == code
    assert reason in error_line(capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "masks"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--stride", "33"], "--stride 33 exceeds --tile-size 32"),
        (["--stride", "0"], "whole number"),
        (["--tile-size", "8"], "whole number"),
        (["--group", "("], "regular expression"),
        (["--scene-labels", "dominnt"], "did you mean dominant"),
        (["--ignore-colours", "#12345"], "#RRGGBB"),
        (["--ignore-colours", "#8429F6"], "both a class and an ignored colour"),
        (["--min-labelled", "2"], "at most 1"),
        (["--test-share", "1"], "at most 0.9"),
        (["--classes", "a,b"], "found both"),
        (["--tilesize", "8"], "did you mean --tile-size"),
        (["--images", "nowhere"], "does not exist"),
        (["--masks", "nowhere"], "does not exist"),
    ],
)
def test_bad_option_is_one_line(tmp_path, capsys, options, reason):
    write_scenes(tmp_path, {"a": (40, 40)})
    assert cut(tmp_path, *options) == 2
    assert reason in error_line(capsys)
    assert not (tmp_path / "out").exists()


def test_dominant_class_needs_masks(tmp_path, capsys):
    write_scenes(tmp_path, {"a": (40, 40)})
    assert cut(tmp_path, "--scene-labels", "dominant", masks=False) == 2
    assert "give --masks" in error_line(capsys)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nowhere.json", "neither a JSON file nor"),
        ("land=#12", "class 'land': a colour is written #RRGGBB"),
        ("land=#000000,land=#FFFFFF", "'land' stands twice"),
        ("land=#000000,", "has no class"),
        ("=#000000", "has no class"),
    ],
)
def test_palette_in_words_that_cannot_be_used(text, reason):
    with pytest.raises(OptionError, match=reason):
        read_palette(text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "expected"),
        ("[]", "one object"),
        ("3", "one object"),
        ('{"land": 3}', "#RRGGBB"),
        ('{"land": "#000000", "land": "#FFFFFF"}', "stands twice"),
        ('{"land": {"r": 1}}', "#RRGGBB"),
    ],
)
def test_palette_in_a_file_that_cannot_be_used(tmp_path, content, reason):
    path = tmp_path / "palette.json"
    path.write_text(content)
    with pytest.raises(DataError, match=reason):
        read_palette(str(path))


@pytest.mark.parametrize(
    ("palette", "reason"),
    [("land=#000000", "names, found 1"), ("land=#000000,water=#000000", "the same colour")],
)
def test_palette_that_describes_no_set(tmp_path, capsys, palette, reason):
    write_scenes(tmp_path, {"a": (40, 40)})
    assert cut(tmp_path, classes=("--palette", palette)) == 2
    assert reason in error_line(capsys)


def test_palette_reads_alike_from_words_and_file(tmp_path):
    path = tmp_path / "palette.json"
    path.write_text(json.dumps({"land": "#8429F6", "water": "#e2a929", "road": "#000000"}))
    assert list(read_palette(str(path)).items()) == list(read_palette(PALETTE_TEXT).items()) == list(PALETTE.items())


@settings(max_examples=100, deadline=None)
@given(st.text("ab=#,0F {}\"':\x00é", max_size=40) | st.text(max_size=200))
def test_any_palette_is_read_or_refused(text):
    try:
        palette = read_palette(text)
    except UserError:
        return
    assert all(len(colour) == 3 for colour in palette.values())


# --- orientation ------------------------------------------------------------------------------------------------------


def turned_scenes(folder):
    """Three scenes of which two say that they lie on their side; of one of these the mask fits the stored pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    ids = np.zeros((32, 64), np.uint8)
    ids[:, 40:] = 1
    for name, tag, mask in (("shown", 6, np.rot90(ids, -1)), ("stored", 6, ids), ("upright", 1, ids)):
        write_image(folder / "images" / f"{name}.png", pixels, exif=orientation(tag))
        write_image(folder / "masks" / f"{name}.png", np.ascontiguousarray(mask))
    return pixels


def test_scenes_are_turned_as_exif_says_unless_the_mask_fits_the_stored_pixels_alone(tmp_path, capsys):
    pixels = turned_scenes(tmp_path)
    assert cut(tmp_path, "--test-share", "0", classes=("--classes", "a,b")) == 0
    report = capsys.readouterr().out
    assert "from 3 scenes, turned as EXIF says: 1, left as stored against EXIF (their masks fit only that): 1" in report
    description, _, reader = read(tmp_path)
    assert description.exif == "apply"
    upright = np.rot90(pixels, -1)
    np.testing.assert_array_equal(reader.image("shown_1_0"), upright[32:])
    assert (reader.mask("shown_1_0")[:, 0] == [0] * 8 + [1] * 24).all()
    np.testing.assert_array_equal(reader.image("stored_0_1"), pixels[:, 32:])
    np.testing.assert_array_equal(reader.image("upright_0_1"), pixels[:, 32:])
    assert cut(tmp_path, "--test-share", "0", classes=("--classes", "a,b")) == 0
    assert "turned as EXIF says: 1" in capsys.readouterr().out


def test_orientation_of_scenes_can_be_ignored(tmp_path, capsys):
    pixels = turned_scenes(tmp_path)
    (tmp_path / "masks" / "shown.png").unlink()
    assert cut(tmp_path, "--test-share", "0", "--exif", "ignore", classes=("--classes", "a,b")) == 0
    assert "left as stored against EXIF (--exif ignore): 2" in capsys.readouterr().out
    description, _, reader = read(tmp_path)
    assert description.exif == "ignore"
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["exif"] == "ignore"
    np.testing.assert_array_equal(reader.image("shown_0_1"), pixels[:, 32:])


def test_tiles_of_a_scene_that_shows_its_upper_half_dark_are_dark_there(tmp_path):
    upright = np.zeros((64, 64, 3), np.uint8)
    upright[32:] = 255
    write_image(tmp_path / "images" / "s.jpg", np.ascontiguousarray(upright[::-1, ::-1]), exif=orientation(3))
    write_image(tmp_path / "masks" / "s.png", (upright[..., 0] > 0).astype(np.uint8))
    assert cut(tmp_path, "--test-share", "0", classes=("--classes", "dark,bright")) == 0
    _, _, reader = read(tmp_path)
    for name in ("s_0_0", "s_0_1", "s_1_0", "s_1_1"):
        assert (reader.image(name)[..., 0] > 127).all() == reader.mask(name).all()


# --- values of masks --------------------------------------------------------------------------------------------------


def write_codes(folder, values, dtype=np.uint8):
    """Two scenes of two tiles, with masks of four stripes of 8 rows of these values."""
    write_scenes(folder, {"a": (32, 64), "b": (32, 64)})
    stripes = np.resize(np.array(values, dtype).repeat(8), 32)[:, None].repeat(64, 1)
    for name in "ab":
        Image.fromarray(stripes).save(folder / "masks" / f"{name}.png")
    return stripes[:, 0]


@pytest.mark.parametrize(
    ("values", "options", "ids"),
    [
        ((0, 255), ["--classes", "0=background,255=building"], [0, 1, 0, 1]),
        ((1, 2, 0), ["--classes", "1=land,2=water", "--ignore-codes", "0"], [0, 1, 255, 0]),
        ((10, 20, 30), ["--classes", "10=land, 20=land,30=water"], [0, 0, 1, 0]),
        ((111, 231), ["--classes", "231=land,111=water"], [1, 0, 1, 0]),
        ((7, 0, 9), ["--classes", "7=land,0=water", "--ignore-codes", "9,255"], [0, 1, 255, 0]),
        ((300, 40000), ["--classes", "300=land,40000=water"], [0, 1, 0, 1]),
    ],
)
def test_tiles_hold_ids_whatever_the_codes_of_their_scenes(tmp_path, capsys, values, options, ids):
    write_codes(tmp_path, values, np.uint16 if max(values) > 255 else np.uint8)
    assert cut(tmp_path, classes=options) == 0
    assert capsys.readouterr().err.count("warning") == 0
    description, lists, reader = read(tmp_path)
    for name in lists["train"]:
        assert reader.mask(name)[::8, 0].tolist() == ids
    assert description.codes is None
    assert description.ignore_codes == ({255} if 255 in ids else set())  # declared, so that training asks no question
    assert cut(tmp_path, classes=options) == 0
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "names", "words"),
    [
        ((0, 255), "background,building", "building never occurs and 255 (50.0%"),
        ((1, 2), "grass,water,road", "--classes 1=grass,2=water,3=road "),
        ((0, 0, 1, 255), "land,water", "--ignore-codes 255 "),
    ],
)
def test_codes_without_a_meaning_are_said_once(tmp_path, capsys, values, names, words):
    write_codes(tmp_path, values)
    assert cut(tmp_path, classes=("--classes", names)) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: in 2 masks ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert read(tmp_path)[0].ignore_codes == set()


@pytest.mark.parametrize(
    ("values", "names", "words"),
    [
        ((10, 30, 50), "land,water,road", "ids that no class has (10, 30, 50)"),
        ((0, 1, 2), "land,water", "--classes 1=land,2=water --ignore-codes 0 "),
    ],
)
def test_masks_of_unknown_codes_are_refused_with_the_option_that_means_them(tmp_path, capsys, values, names, words):
    write_codes(tmp_path, values)
    assert cut(tmp_path, classes=("--classes", names)) == 1
    assert words in error_line(capsys)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--classes", "1=land,water"], "expected CODE=name for each class, such as 1=land,2=water, found 'water'"),
        (["--classes", "land=1,water=2"], "expected CODE=name for each class, such as 1=land,2=water, found 'land=1'"),
        (["--classes", "1=,2=water"], "code 1 has no name"),
        (["--classes", "1=land,1=water"], "code 1 belongs to land and water"),
        (["--classes", "1=land,70000=water"], "0 to 65535"),
        (["--classes", f"1=land,{'9' * 99}=water"], "above 65535"),
        (["--classes", "1=land,2=water", "--ignore-codes", "2"], "code 2 is both water and ignored"),
        (["--classes", "land,water", "--ignore-codes", "0"], "CODE=land"),
        (["--classes", "land,water", "--ignore-codes", "none"], "whole numbers of 0 to 65535"),
        (["--palette", PALETTE_TEXT, "--ignore-codes", "0"], "for a --palette give --ignore-colours"),
    ],
)
def test_codes_that_cannot_be_used(tmp_path, capsys, options, reason):
    write_scenes(tmp_path, {"a": (40, 40)})
    assert cut(tmp_path, classes=options) == 2
    assert reason in error_line(capsys)
    assert not (tmp_path / "out").exists()


def test_an_equals_sign_in_a_name_is_no_code():
    assert read_classes("a=b, c") == (["a=b", "c"], None)
    assert read_classes("2=b,1=a=c,3=b") == (["b", "a=c"], {"b": [2, 3], "a=c": [1]})


def test_palette_scenes_in_other_orders_are_cut_by_colour(tmp_path, capsys):
    scenes = write_scenes(tmp_path, {"a": (32, 32), "b": (32, 32)}, kind="P")
    mask = Image.fromarray(np.array([2, 0, 1], np.uint8)[scenes["b"][1]])  # land is 2, water 0, road 1
    mask.putpalette([*PALETTE["water"], *PALETTE["road"], *PALETTE["land"]])
    mask.save(tmp_path / "masks" / "b.png")
    assert cut(tmp_path, classes=("--classes", "land,water,road")) == 0
    assert "1 of 2 palette masks order their colours otherwise" in capsys.readouterr().err
    assert (read(tmp_path)[2].mask("b_0_0") == scenes["b"][1]).all()


def test_transparent_pixels_of_scenes_are_declared_in_their_tiles(tmp_path, capsys):
    write_scenes(tmp_path, {"a": (32, 32), "b": (32, 32)})
    ids = np.zeros((32, 32), np.uint8)
    ids[16:] = 1
    for name in "ab":
        alpha = Image.fromarray(np.repeat([[255] * 24 + [0] * 8], 32, 0).astype(np.uint8))
        Image.merge("LA", [Image.fromarray(ids), alpha]).save(tmp_path / "masks" / f"{name}.png")
    assert cut(tmp_path, classes=("--classes", "land,water")) == 0
    assert "warning: in" not in capsys.readouterr().err
    description, _, reader = read(tmp_path)
    assert description.ignore_codes == {255}
    assert (reader.mask("a_0_0")[:, 24:] == 255).all()
    assert (reader.mask("a_0_0")[:, :24] == ids[:, :24]).all()


def test_shares_count_a_pixel_of_overlapping_tiles_once(tmp_path, capsys):
    """Tiles of 32 in scenes of 48: the middle lies in several of them, and its class is a third of the ground."""
    write_scenes(tmp_path, {"a": (48, 48), "b": (48, 48)})
    ids = np.zeros((48, 48), np.uint8)
    ids[:, 16:32] = 1
    for name in "ab":
        write_mask(tmp_path / "masks" / f"{name}.png", ids, "L")
    assert cut(tmp_path, classes=("--classes", "land,water")) == 0
    said = capsys.readouterr().out
    assert "8 tiles of 32×32 pixels from 2 scenes, 8 tiles overlap" in said
    assert "land 66.7%, water 33.3%" in said
