"""The doctor: a sound set passes, every mistake has its line, one bad file does not end the check."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from data.checking import findings as words
from data.checking import list_checks
from data.footprints.records import TileRecord, write_tiles_csv
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from model.weights import defaults
from tests.conftest import (
    COLOURS,
    TinySet,
    orientation,
    patches,
    picture,
    write_custom,
    write_image,
    write_list,
    write_overlapping,
    write_ucm,
)
from tools import prepare_data
from tools.doctor import report, run_checks

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["ucm", "deepglobe", "custom"])
def sound_set(request: pytest.FixtureRequest) -> TinySet:
    return request.getfixturevalue(f"{request.param}_set")


def options(tiny: TinySet, **changes: object) -> list[str]:
    chosen = {
        "--dataset": tiny.dataset, "--data-dir": tiny.folder, "--data-list": tiny.list_path,
        "--backbone": "tiny", "--device": "cpu", "--out": tiny.folder.parent / "check.png",
        "--checkpoint-dir": tiny.folder.parent / "checkpoint",
    } | changes  # fmt: skip
    return ["check", *(str(part) for pair in chosen.items() for part in pair)]


def findings(capsys, tiny: TinySet, code: int, **changes: object) -> dict[str, dict]:
    """What `--json` says about each point, of a check that ends with `code`."""
    assert prepare_data.main([*options(tiny, **changes), "--json"]) == code
    record = json.loads(capsys.readouterr().out)
    assert record["level"] == "FAIL" if code else record["level"] in ("ok", "warn")
    return {finding["point"]: finding for finding in record["findings"]}


def halves(tiny: TinySet) -> dict[str, object]:
    """The first half as the data list, the second as the test list."""
    middle = len(tiny.names) // 2
    return {
        "--data-list": write_list(tiny.folder / "train.txt", tiny.names[:middle]),
        "--test-list": write_list(tiny.folder / "test.txt", tiny.names[middle:]),
    }


# --- A sound set ------------------------------------------------------------------------------------------------------


def test_every_point_of_a_sound_set_passes(capsys, sound_set):
    found = findings(capsys, sound_set, 0, **halves(sound_set))
    assert len(found) == len(report.CHECKS_OF_DATA) + len(report.CHECKS_OF_RUNS)
    for point in ("files", "decodable", "modes", "palette", "overlap", "perfect score", "disk space", "device"):
        assert found[point]["level"] == "ok", found[point]
    assert found["perfect score"]["values"]["mean_iou"] == 1.0
    assert found["files"]["values"] == {"images": 4, "masks": 4, "missing": []}


def test_the_lines_name_every_point_without_colours_off_a_terminal(capsys, custom_set):
    assert prepare_data.main(options(custom_set)) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert [line.split()[0] for line in out.splitlines() if line[:1] not in (" ", "o", "1")] == ["-"] * 5
    assert "ok    perfect score  mean IoU 1.0 on 4 tiles of 32×32" in out


def test_colours_stand_beside_the_words():
    text = report.as_text(
        [words.Finding("files", "FAIL", "3 missing"), words.Finding("sizes", "ok", "all")], in_colour=True
    )
    assert "\x1b[31mFAIL \x1b[0m files" in text
    assert "\x1b[32mok   \x1b[0m sizes" in text


def test_the_picture_shows_the_tile_its_mask_and_its_classes(capsys, custom_set, tmp_path):
    findings(capsys, custom_set, 0, **{"--out": tmp_path / "made" / "picture.png"})
    with Image.open(tmp_path / "made" / "picture.png") as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
    assert pixels.shape[0] > 2 * 280  # a second row: one panel a class
    assert pixels.shape[1] > 4 * 280


def test_the_picture_shows_a_mask_off_the_palette(capsys, custom_set, tmp_path):
    for name in custom_set.names:
        mask = np.full((32, 32), 1, np.uint8)
        mask[:16] = 40
        write_image(custom_set.folder / "masks" / f"{name}.png", mask)
    found = findings(capsys, custom_set, 1, **{"--out": tmp_path / "picture.png"})
    assert found["palette"]["level"] == "FAIL"
    with Image.open(tmp_path / "picture.png") as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
    assert pixels.shape[1] > 4 * 280  # image, mask, both and the class that does occur
    mask_panel = pixels[20:270, 2 * 6 + 280 + 10 : 2 * 6 + 2 * 280 - 10]
    assert (mask_panel[:100] == 0).all()
    assert (mask_panel[150:] != 0).any()


@pytest.mark.parametrize("crs", [None, "EPSG:32640"])
def test_lists_that_overlap_on_the_ground_are_warned_of(capsys, tmp_path, crs):
    tiny = write_overlapping(tmp_path / "custom", crs)
    found = findings(capsys, tiny, 0, **halves(tiny))["distances"]
    assert found["level"] == "warn"
    assert found["text"] == "data and test list overlap in 1,024 pixels of 2 test tiles (50.0%)"
    (pair,) = found["values"]["lists"]
    assert (pair["overlap"], pair["share"], pair["tiles"]) == (1024, 0.5, 2)
    assert pair["metres" if crs else "pixels"] == 0


def tiles_in_a_row(tiny: TinySet, *columns: int, crs: str | None = None) -> None:
    """Write `tiles.csv` of tiles of 32×32 with pixels of two metres, from these columns on."""
    records = []
    for name, column in zip(tiny.names, columns, strict=False):
        place = (2.0, 0.0, 300_000.0 + 2 * column, 0.0, -2.0, 2_800_000.0) if crs else None
        records.append(TileRecord(name, "scene", 0, column, 32, 32, crs, place))
    write_tiles_csv(tiny.folder / "tiles.csv", records)


@pytest.mark.parametrize(
    ("columns", "crs", "level", "text"),
    [
        ((0, 32, 74, 106), None, "ok", "data and test list 10.0 pixels apart"),
        ((0, 32, 74, 106), "EPSG:32640", "ok", "data and test list 20.0 m apart"),
        ((0, 32, 64, 96), "EPSG:32640", "warn", "data and test list touch"),
        ((0, 32, 74), None, "warn", "data and test list 10.0 pixels apart"),
        ((0, 32), None, "-", "tiles.csv knows the tiles of one list at most"),
    ],
)
def test_the_distance_between_lists_is_stated(capsys, custom_set, columns, crs, level, text):
    tiles_in_a_row(custom_set, *columns, crs=crs)
    found = findings(capsys, custom_set, 0, **halves(custom_set))["distances"]
    assert (found["level"], found["text"]) == (level, text)
    missing = custom_set.names[len(columns) :]
    assert found["values"]["without_record"] == missing
    assert found["details"][1:] == missing


def test_each_pair_of_lists_has_its_distance(capsys, custom_set):
    tiles_in_a_row(custom_set, 0, 32, 74, 300)
    lists = {
        f"--{part}-list": write_list(custom_set.folder / f"{part}.txt", names)
        for part, names in (("data", custom_set.names[:2]), ("test", ["tile2"]), ("val", ["tile3"]))
    }
    text = findings(capsys, custom_set, 0, **lists)["distances"]["text"]
    assert text.count("pixels apart") == 3
    assert "test and val list 194.0 pixels apart" in text


def test_tiles_of_different_scenes_without_a_place_have_no_distance(capsys, custom_set):
    write_tiles_csv(
        custom_set.folder / "tiles.csv", [TileRecord(name, f"of {name}", 0, 0, 32, 32) for name in custom_set.names]
    )
    found = findings(capsys, custom_set, 0, **halves(custom_set))["distances"]
    assert (found["level"], "have no distance" in found["text"]) == ("-", True)


def test_where_nobody_knows_where_tiles_lie_distances_are_not_looked_at(capsys, custom_set):
    assert findings(capsys, custom_set, 0, **halves(custom_set))["distances"]["level"] == "-"
    tiles_in_a_row(custom_set, 0, 32, 64, 96)
    assert findings(capsys, custom_set, 0)["distances"]["level"] == "-"  # one list
    (custom_set.folder / "tiles.csv").write_text("name\n")
    found = findings(capsys, custom_set, 1, **halves(custom_set))["distances"]
    assert found["level"] == "FAIL"
    assert "no column scene" in found["text"]


def test_histogram_counts_pixels_and_tiles_of_each_list(capsys, custom_set):
    masks = [np.zeros((32, 32), np.uint8) for _ in custom_set.names]
    masks[0][:, :8] = 1
    masks[1][:4] = 255
    masks[2][0, :3] = 2
    for name, mask in zip(custom_set.names, masks, strict=True):
        write_image(custom_set.folder / "masks" / f"{name}.png", mask)
    found = findings(capsys, custom_set, 0, **halves(custom_set))
    assert found["classes"]["values"]["data"] == {
        "field": {"pixels": 2 * 1024 - 256 - 128, "tiles": 2},
        "forest": {"pixels": 256, "tiles": 1},
        "water": {"pixels": 0, "tiles": 0},
    }
    assert found["classes"]["values"]["test"]["water"] == {"pixels": 3, "tiles": 1}
    assert found["classes"]["level"] == "warn"
    assert "in the data list water; in the test list forest" in found["classes"]["text"]
    assert found["palette"]["values"]["ignored_share"] == 128 / 4096


def test_class_shares_count_a_pixel_of_overlapping_tiles_once(capsys, tmp_path):
    tiny = write_overlapping(tmp_path / "set")
    classes = findings(capsys, tiny, 0)["classes"]
    assert classes["values"]["data"] == {
        "field": {"pixels": 48 * 32, "tiles": 4},
        "forest": {"pixels": 48 * 16, "tiles": 4},
        "water": {"pixels": 0, "tiles": 0},
    }
    assert "tiles that overlap: 4 of 4 in the data list; each pixel counts once" in classes["details"]
    alone = findings(capsys, tiny, 0, **{"--data-list": write_list(tmp_path / "one.txt", tiny.names[:1])})["classes"]
    assert alone["values"]["data"]["forest"]["pixels"] == 32 * 16
    assert not any("overlap" in line for line in alone["details"])


def test_tiles_without_masks_are_no_fault(capsys, custom_set):
    shutil.rmtree(custom_set.folder / "masks")
    found = findings(capsys, custom_set, 0)
    assert found["files"]["values"]["masks"] == 0
    assert {point for point in found if found[point]["level"] == "-"} >= {"palette", "classes", "perfect score"}


def test_it_runs_as_a_process_and_prints_json_alone(custom_set):
    script = str(ROOT / "tools" / "prepare_data.py")
    argv = [sys.executable, script, *options(custom_set), "--json"]
    done = subprocess.run(argv, cwd=custom_set.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tiles"] == 4
    assert not done.stderr


# --- Mistakes ---------------------------------------------------------------------------------------------------------


def spoil(tiny: TinySet, mistake: str) -> None:
    """Make one mistake in a custom set of four tiles."""
    image, mask = tiny.folder / "images" / "tile1.png", tiny.folder / "masks" / "tile1.png"
    ids = patches(1, (32, 32), range(3))
    if mistake == "image missing":
        image.unlink()
    elif mistake == "image empty":
        image.write_bytes(b"")
    elif mistake == "image cut":
        image.write_bytes(image.read_bytes()[:60])
    elif mistake == "image of 16 bits":
        Image.fromarray(np.zeros((32, 32), np.uint16)).save(image)
    elif mistake == "image of another size":
        write_image(image, picture(1, (40, 32)))
    elif mistake == "mask of another size":
        write_image(mask, patches(1, (32, 40), range(3)))
    elif mistake == "mask in colours":
        write_image(mask, np.zeros((32, 32, 3), np.uint8))
    elif mistake == "ids out of range":
        write_image(mask, ids + 7)
    elif mistake == "a few ids out of range":
        ids[0, :10] = 9
        write_image(mask, ids)
    elif mistake == "mask without labels":
        write_image(mask, np.full((32, 32), 255, np.uint8))
    elif mistake == "unknown scene class":
        (tiny.folder / "scene_labels.csv").write_text("name,label\ntile0,moist\n")
    elif mistake == "scene class without a tile":
        (tiny.folder / "scene_labels.csv").write_text("name,label\ntile0,dry\n")


@pytest.mark.parametrize(
    ("mistake", "point", "level", "words"),
    [
        ("image missing", "files", "FAIL", "1 of 4 images"),
        ("image empty", "decodable", "FAIL", "is empty"),
        ("image cut", "decodable", "FAIL", "damaged"),
        ("image of 16 bits", "decodable", "FAIL", "8 bits"),
        ("image of another size", "sizes", "FAIL", "40×32"),
        ("mask of another size", "sizes", "FAIL", "32×40"),
        ("mask in colours", "decodable", "FAIL", "holds colours"),
        ("ids out of range", "palette", "FAIL", "(7, 8, 9)"),
        ("a few ids out of range", "palette", "warn", "0.98%, ids that no class has (9)"),
        ("mask without labels", "palette", "warn", "(1 mask without any)"),
        ("unknown scene class", "scene labels", "FAIL", "moist"),
        ("scene class without a tile", "scene labels", "warn", "wet"),
    ],
)
def test_each_mistake_has_its_line_and_the_rest_is_still_looked_at(capsys, custom_set, mistake, point, level, words):
    spoil(custom_set, mistake)
    found = findings(capsys, custom_set, 1 if level == "FAIL" else 0)
    assert found[point]["level"] == level
    assert words in " ".join([found[point]["text"], *found[point]["details"]])
    others = [name for name in found if found[name]["level"] == "FAIL" and name != point]
    assert others == []
    assert found["perfect score"]["values"]["mean_iou"] == 1.0


def test_many_bad_files_are_counted_and_the_first_few_named(capsys, tmp_path):
    tiny = write_custom(tmp_path / "custom", count=8)
    for name in tiny.names[:6]:
        (tiny.folder / "images" / f"{name}.png").write_bytes(b"no image")
    found = findings(capsys, tiny, 1)["decodable"]
    assert found["text"] == "6 files cannot be used"
    assert len(found["details"]) == words.SHOWN + 1
    assert len(found["values"]["unreadable"]) == 6


def test_a_set_without_one_good_file_is_still_reported(capsys, custom_set):
    for path in (custom_set.folder / "images").iterdir():
        path.write_bytes(b"")
    found = findings(capsys, custom_set, 1)
    assert found["decodable"]["level"] == "FAIL"
    assert found["sizes"]["level"] == found["perfect score"]["level"] == "-"


def test_a_failing_check_ends_with_one_error_line(capsys, custom_set):
    spoil(custom_set, "image missing")
    assert prepare_data.main(options(custom_set)) == 1
    said = capsys.readouterr()
    assert said.err == "error: 1 of 16 points fail: files; mend what they name\n"
    assert "FAIL  files          missing: 1 of 4 images" in said.out


def test_masks_of_the_test_list_are_needed(capsys, custom_set):
    (custom_set.folder / "masks" / "tile3.png").unlink()
    found = findings(capsys, custom_set, 1, **halves(custom_set))["files"]
    assert "1 mask of the test or validation list" in found["text"]


def test_off_palette_colours_are_named(capsys, coloured_set):
    mask = COLOURS[patches(0, (32, 32), range(3))]
    mask[0] = (1, 2, 3)
    write_image(coloured_set.folder / "masks" / "tile0.png", mask)
    found = findings(capsys, coloured_set, 0)["palette"]
    assert found["level"] == "warn"
    assert found["values"]["off_palette_share"] == 32 / 4096
    assert "#010203" in found["details"][0]


def test_values_without_a_meaning_are_named_with_the_option_that_gives_one(capsys, custom_set):
    for name in custom_set.names:
        write_image(custom_set.folder / "masks" / f"{name}.png", patches(0, (32, 32), (0, 1, 255)))
    found = findings(capsys, custom_set, 0)["palette"]
    assert found["level"] == "warn"
    assert "--classes 0=field,1=forest,255=water " in found["details"][0]


# --- Lists, names, scenes ---------------------------------------------------------------------------------------------


def test_a_name_in_two_lists_fails(capsys, custom_set):
    test_list = write_list(custom_set.folder / "test.txt", ["tile3"])
    found = findings(capsys, custom_set, 1, **{"--test-list": test_list})["overlap"]
    assert found["values"]["names"] == ["tile3"]


def test_the_same_picture_in_two_lists_fails(capsys, custom_set):
    images = custom_set.folder / "images"
    shutil.copy(images / "tile0.png", images / "tile3.png")
    found = findings(capsys, custom_set, 1, **halves(custom_set))["overlap"]
    assert found["values"]["same_pixels_across_lists"] == [["tile0", "tile3"]]
    assert findings(capsys, custom_set, 0)["overlap"]["level"] == "warn"  # twice in one list


def test_very_few_equal_pictures_in_two_lists_are_a_warning(capsys, custom_set, monkeypatch):
    images = custom_set.folder / "images"
    shutil.copy(images / "tile0.png", images / "tile3.png")
    monkeypatch.setattr(list_checks, "MAX_ALIKE", 0.5)
    assert findings(capsys, custom_set, 0, **halves(custom_set))["overlap"]["level"] == "warn"


def test_pictures_of_one_colour_are_not_compared(capsys, custom_set):
    for name in ("tile0", "tile3"):
        write_image(custom_set.folder / "images" / f"{name}.png", np.full((32, 32, 3), 7, np.uint8))
    assert findings(capsys, custom_set, 0, **halves(custom_set))["overlap"]["level"] == "ok"


def test_tiles_of_one_scene_on_both_sides_are_a_warning(capsys, tmp_path):
    tiny = write_custom(tmp_path / "custom", group="(tile)")
    found = findings(capsys, tiny, 0, **halves(tiny))["scenes"]
    assert found["level"] == "warn"
    assert found["values"]["shared"] == ["tile"]
    apart = write_custom(tmp_path / "apart", group="(tile[0-9])")
    assert findings(capsys, apart, 0, **halves(apart))["scenes"]["level"] == "ok"


@pytest.mark.parametrize(
    ("names", "level", "words"),
    [
        (["tile0", "tile2"], "ok", "2 tiles"),
        (["tile0", "nowhere"], "FAIL", "nowhere"),
        (["tile0", "tile0"], "FAIL", "repeats"),
        ([1.0, 2.0], "FAIL", "float64"),
    ],
)
def test_the_names_array_is_looked_at(capsys, custom_set, names, level, words):
    np.save(custom_set.folder / "names.npy", np.array(names))
    changes = {"--active-learning-images-array": custom_set.folder / "names.npy"}
    found = findings(capsys, custom_set, 1 if level == "FAIL" else 0, **changes)["names array"]
    assert found["level"] == level
    assert words in found["text"]


def test_a_chosen_tile_without_a_mask_fails(capsys, custom_set):
    (custom_set.folder / "masks" / "tile2.png").unlink()
    np.save(custom_set.folder / "names.npy", np.array(["tile0", "tile2"]))
    changes = {"--active-learning-images-array": custom_set.folder / "names.npy"}
    assert "1 of 2 chosen tiles without a mask" in findings(capsys, custom_set, 1, **changes)["names array"]["text"]


# --- Weights, space, classes ------------------------------------------------------------------------------------------


def test_the_share_of_weights_that_would_load(capsys, custom_set, tmp_path):
    files = {name: tmp_path / f"{name}.pth" for name in ("backbone", "generator", "other", "D", "half")}
    generator = DeepLabV2(3, "tiny")
    backbone = generator.backbone.state_dict()
    torch.save(backbone, files["backbone"])
    torch.save(generator.state_dict(), files["generator"])
    torch.save(DeepLabV2(5, "tiny").state_dict(), files["other"])
    torch.save(Discriminator(3).state_dict(), files["D"])
    torch.save({name: tensor for name, tensor in backbone.items() if "layer4" not in name}, files["half"])
    shares = {}
    for name, path in files.items():
        code = 0 if name in ("backbone", "generator") else 1
        found = findings(capsys, custom_set, code, **{"--restore-from": path})["weights"]
        assert found["level"] == ("FAIL" if code else "ok")
        shares[name] = found["values"]["share"]
    assert shares["backbone"] == shares["generator"] == 1
    assert shares["D"] == 0
    assert 0.9 < shares["other"] < 1  # all but the four heads
    assert 0.5 < shares["half"] < 0.9


def test_a_default_run_needs_its_weights(capsys, custom_set, monkeypatch, tmp_path):
    monkeypatch.setattr(defaults, "_FOLDER", tmp_path / "pretrained_models")
    found = findings(capsys, custom_set, 0, **{"--backbone": "resnet101"})["weights"]
    assert found["level"] == "warn"
    assert "resnet101-63fe2227.pth" in found["text"]
    assert findings(capsys, custom_set, 0, **{"--restore-from": "none"})["weights"]["level"] == "-"


def test_space_of_a_default_run_is_compared_with_the_disk(capsys, custom_set, monkeypatch):
    found = findings(capsys, custom_set, 0, **{"--backbone": "resnet101"})["disk space"]
    assert 35e9 < found["values"]["needed"] < 40e9
    for share, code, level in ((0.5, 0, "warn"), (0.01, 1, "FAIL")):
        free = int(share * found["values"]["needed"])
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        found = findings(capsys, custom_set, code, **{"--backbone": "resnet101"})["disk space"]
        assert found["level"] == level


@pytest.mark.parametrize(("given", "level"), [(3, "ok"), (2, "warn"), (4, "FAIL")])
def test_a_class_count_that_contradicts_the_set(capsys, custom_set, given, level):
    found = findings(capsys, custom_set, 1 if level == "FAIL" else 0, **{"--num-classes": given})["class count"]
    assert found["level"] == level


def test_an_evaluation_that_loses_pixels_is_found(capsys, custom_set, monkeypatch):
    perfect = run_checks.evaluate

    def shifted(network, *args, **kwargs):
        return perfect(lambda images: network(images).roll(1, dims=3), *args, **kwargs)

    monkeypatch.setattr(run_checks, "evaluate", shifted)
    found = findings(capsys, custom_set, 1)["perfect score"]
    assert found["level"] == "FAIL"
    assert found["values"]["mean_iou"] < 1


# --- Options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "code", "words"),
    [
        ("--data-dir", "/nowhere", 2, "not a folder"),
        ("--data-list", "/nowhere.txt", 2, "no list of names"),
        ("--test-list", "/nowhere.txt", 2, "no list of names"),
        ("--dataset", "costum", 2, "did you mean custom"),
        ("--restore-from", "/nowhere.pth", 2, "does not exist"),
        ("--active-learning-images-array", "/nowhere.npy", 2, "does not exist"),
        ("--out", "/", 2, "is a folder"),
        ("--out", "/dev/null/check.png", 2, "could not be written"),
        ("--backbone", "tinny", 2, "did you mean tiny"),
        ("--test-lst", "x", 2, "did you mean --test-list"),
    ],
)
def test_wrong_options_end_at_once(capsys, custom_set, option, value, code, words):
    assert prepare_data.main(options(custom_set, **{option: value})) == code
    said = capsys.readouterr()
    assert not said.out
    assert said.err.startswith("error: ")
    assert words in said.err
    assert len(said.err.splitlines()) == 1


# --- orientation and sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exif", "words"),
    [
        ("apply", "turned as EXIF says: 2; left as stored against EXIF (their masks fit only that): 1"),
        ("ignore", "left as stored against EXIF (as dataset.json says): 3"),
    ],
)
def test_turned_images_are_counted(capsys, tmp_path, exif, words):
    tiny = write_custom(tmp_path / "custom", size=(32, 48), version=2, exif=exif, tile_size=32)
    for name, tag in (("tile0", 3), ("tile1", 6), ("tile2", 6)):
        path = tiny.folder / "images" / f"{name}.png"
        write_image(path, np.array(Image.open(path)), exif=orientation(tag))
    if exif == "apply":
        write_image(tiny.folder / "masks" / "tile1.png", patches(1, (48, 32), range(3)))
    found = findings(capsys, tiny, 0)["sizes"]
    assert found["level"] == "ok"
    assert words in found["text"]


def test_mask_of_a_ucm_tile_far_from_its_image_is_named(capsys, tmp_path):
    tiny = write_ucm(tmp_path / "ucm")
    write_image(tiny.folder / "UCMerced_Labels" / "river01.png", np.ones((30, 400), np.uint8))
    found = findings(capsys, tiny, 1)["sizes"]
    assert found["level"] == "FAIL"
    assert "river01.png is 30×400, but its image is 256×256" in found["details"][0]
