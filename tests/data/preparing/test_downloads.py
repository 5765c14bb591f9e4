"""Preparing downloads and the demo set: every form they come in, their layouts and classes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.descriptions import DEEPGLOBE, UCM
from data.lists.splits import read_names
from data.reader import TileReader
from tests.conftest import orientation, write_image
from tests.data.preparing.test_archives import make_zip
from tools.prepare_data import main

CLASSES = ("beach", "forest", "river")


def write_ucm(folder: Path, per_class: int = 5, flat: bool = False) -> list[str]:
    """A small UCMerced_LandUse and DLRSD below `folder`."""
    rng = np.random.default_rng(0)
    names = [f"{scene}{number:02d}" for scene in CLASSES for number in range(per_class)]
    for name in names:
        below = "" if flat else name[:-2]
        for kind, ending, shape in (("UCMerced_LandUse/Images", "tif", (8, 8, 3)), ("DLRSD/Labels", "png", (8, 8))):
            path = folder / kind / below / f"{name}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(1, 18, shape, dtype=np.uint8)).save(path)
    return names


def write_deepglobe(folder: Path) -> dict[str, str]:
    """Pairs whose dominant class is known, two images without a mask, a mask without a class; returns the classes."""
    folder.mkdir(parents=True, exist_ok=True)
    expected = {}
    for index, scene_class in enumerate(DEEPGLOBE.scene_classes * 2):
        mask = np.zeros((10, 10, 3), np.uint8)  # unknown
        mask[:4] = DEEPGLOBE.colours[index % 6]
        mask[4:7] = DEEPGLOBE.colours[(index + 1) % 6]
        Image.fromarray(np.clip(mask.astype(int) + 60, 0, 187).astype(np.uint8)).save(folder / f"{index}_mask.png")
        Image.fromarray(mask).save(folder / f"{index}_sat.jpg")
        expected[str(index)] = scene_class
    for name in ("100", "101", "102"):
        Image.new("RGB", (10, 10)).save(folder / f"{name}_sat.jpg")
    Image.new("RGB", (10, 10)).save(folder / "102_mask.png")
    return expected


def zip_folder(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


def run(*argv):
    return main([str(text) for text in argv])


def ucm(folder: Path, *options):
    sources = ("--images", folder / "UCMerced_LandUse", "--masks", folder / "DLRSD")
    return run("ucm", *sources, "--out", folder / "out", *options)


def lists(out, description=UCM):
    return {path.stem: read_names(path, description) for path in sorted(out.glob("*.txt"))}


def error_line(capsys) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning")]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


# --- UC Merced --------------------------------------------------------------------------------------------------------


def test_ucm_is_linked_in_its_layout(tmp_path, capsys):
    names = write_ucm(tmp_path)
    assert ucm(tmp_path) == 0
    out = tmp_path / "out"
    link = out / "UCMerced_Images" / "beach00.tif"
    assert link.readlink() == Path("../../UCMerced_LandUse/Images/beach/beach00.tif")
    reader = TileReader(UCM, out, (8, 8))
    mask = np.asarray(Image.open(tmp_path / "DLRSD" / "Labels" / "river" / "river03.png"))
    np.testing.assert_array_equal(reader.mask("river03"), mask)
    parts = lists(out)
    assert sorted(parts["train"] + parts["test"]) == names
    assert sorted(name[:-2] for name in parts["test"]) == sorted(CLASSES)  # stratified
    printed = capsys.readouterr().out.splitlines()
    assert all(line.startswith("# ") for line in printed[4:])  # where weights are not there yet
    assert printed[0] == "images  15 tiles, scene classes beach 5, forest 5, river 5"
    assert printed[1] == "masks   15 of 15 tiles, 18 pixel classes"
    assert printed[2] == "lists   train.txt 12, test.txt 3"
    assert printed[3].startswith("next:   python tools/train_AL.py --dataset-name UCM")


@pytest.mark.parametrize("form", ["folder", "copy", "flat", "inner folder", "outer folder", "zip"])
def test_ucm_is_found_in_every_form(tmp_path, form):
    names = write_ucm(tmp_path, flat=form == "flat")
    images, masks = tmp_path / "UCMerced_LandUse", tmp_path / "DLRSD"
    if form == "inner folder":
        images, masks = images / "Images", masks / "Labels"
    elif form == "outer folder":
        (tmp_path / "outer").mkdir()
        shutil.move(images, tmp_path / "outer")
        images = tmp_path / "outer"
    elif form == "zip":
        images, masks = zip_folder(images), zip_folder(masks)
    options = ["--copy"] if form == "copy" else []
    out = tmp_path / "out"
    assert run("ucm", "--images", images, "--masks", masks, "--out", out, *options) == 0
    files = list((out / "UCMerced_Images").iterdir()) + list((out / "UCMerced_Labels").iterdir())
    assert len(files) == 2 * len(names)
    assert all(path.is_symlink() != (form in ("copy", "zip")) and path.stat().st_size for path in files)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "holds no tile of UC Merced"),
        ("twice", "holds 'beach00' twice"),
        ("other masks", "holds no mask of an image"),
    ],
)
def test_ucm_that_cannot_be_used(tmp_path, capsys, kind, reason):
    write_ucm(tmp_path, per_class=1)
    images, masks = tmp_path / "UCMerced_LandUse" / "Images", tmp_path / "DLRSD" / "Labels"
    if kind == "empty":
        shutil.rmtree(images)
    elif kind == "twice":
        shutil.copyfile(images / "beach" / "beach00.tif", images / "beach00.tif")
    else:
        shutil.rmtree(masks)
        masks.mkdir()
        Image.new("L", (8, 8)).save(masks / "beach77.png")
    assert ucm(tmp_path) == 1
    assert reason in error_line(capsys)
    assert not (tmp_path / "out").exists()


def test_strange_files_are_left_out_with_a_warning(tmp_path, capsys):
    names = write_ucm(tmp_path, per_class=1)
    for name in ("castle00.tif", "readme.tif"):
        (tmp_path / "UCMerced_LandUse" / name).write_bytes(b"")
    Image.new("L", (8, 8)).save(tmp_path / "DLRSD" / "beach99.png")
    assert ucm(tmp_path) == 0
    warnings = capsys.readouterr().err
    assert "2 files in" in warnings
    assert "1 masks in" in warnings
    assert sorted(name for part in lists(tmp_path / "out").values() for name in part) == names


@pytest.mark.parametrize("name", ["../beach01.tif", "/tmp/beach01.tif", "C:\\beach01.tif"])
def test_hostile_zip_writes_nothing(tmp_path, capsys, name):
    path = make_zip(tmp_path / "UCMerced_LandUse.zip", {"beach00.tif": b"1", name: b"1"})
    assert run("ucm", "--images", path, "--out", tmp_path / "deep" / "out") == 1
    assert "leads out of the folder" in error_line(capsys)
    assert list(tmp_path.iterdir()) == [path]


def test_zip_larger_than_the_disk_writes_nothing(tmp_path, capsys):
    def change(info):
        info.file_size = 10**15

    path = make_zip(tmp_path / "bomb.zip", {"beach00.tif": b"1"}, change)
    assert run("ucm", "--images", path, "--out", tmp_path / "deep" / "out") == 1
    assert "GB are free" in error_line(capsys)
    assert list(tmp_path.iterdir()) == [path]


# --- DeepGlobe --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_deepglobe_class_map_is_derived(tmp_path, capsys, form):
    expected = write_deepglobe(tmp_path / "pairs" / "train")
    source = tmp_path / "pairs" if form == "folder" else zip_folder(tmp_path / "pairs")
    out = tmp_path / "out"
    assert run("deepglobe", "--source", source, "--out", out) == 0
    assert json.loads((out / "class_map.json").read_text()) == expected
    parts = lists(out, DEEPGLOBE)
    assert len(parts["train"]) + len(parts["test"]) == 15
    assert {"100", "101"} <= set(parts["train"])
    assert "masks   13 of 15 tiles" in capsys.readouterr().out
    assert TileReader(DEEPGLOBE, out, (10, 10)).mask("7")[0, 0] == 1


def test_deepglobe_class_map_is_taken(tmp_path):
    write_deepglobe(tmp_path / "pairs")
    given = tmp_path / "class_map.json"
    given.write_text(json.dumps({"0_sat.jpg": "water", "1": "rangeland", "elsewhere": "water"}))
    out = tmp_path / "out"
    assert run("deepglobe", "--source", tmp_path / "pairs", "--class-map", given, "--out", out) == 0
    assert json.loads((out / "class_map.json").read_text()) == {"0": "water", "1": "rangeland"}


@pytest.mark.parametrize(
    ("class_map", "code", "reason"),
    [
        (None, 2, "no class map at"),
        ("{", 1, "not readable JSON"),
        ('{"0": "watr"}', 1, "did you mean water"),
        ('{"elsewhere": "water"}', 1, "names none of the 15 tiles"),
    ],
)
def test_class_map_that_cannot_be_used(tmp_path, capsys, class_map, code, reason):
    write_deepglobe(tmp_path / "pairs")
    path = tmp_path / "class_map.json"
    if class_map:
        path.write_text(class_map)
    assert run("deepglobe", "--source", tmp_path / "pairs", "--class-map", path, "--out", tmp_path / "out") == code
    assert reason in error_line(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_damaged_mask_is_named(tmp_path, capsys, form):
    write_deepglobe(tmp_path / "pairs")
    mask = tmp_path / "pairs" / "3_mask.png"
    mask.write_bytes(mask.read_bytes()[:60])
    source = tmp_path / "pairs" if form == "folder" else zip_folder(tmp_path / "pairs")
    assert run("deepglobe", "--source", source, "--out", tmp_path / "out") == 1
    line = error_line(capsys)
    assert "3_mask.png" in line
    assert "/.out." not in line  # the private folder is gone
    assert not (tmp_path / "out").exists()


def test_folder_without_pairs(tmp_path, capsys):
    (tmp_path / "pairs").mkdir()
    assert run("deepglobe", "--source", tmp_path / "pairs", "--out", tmp_path / "out") == 1
    assert "holds no image of DeepGlobe" in error_line(capsys)


# --- The demo set -----------------------------------------------------------------------------------------------------


def test_demo_is_drawn_with_its_lists(tmp_path):
    options = ("--tiles-per-class", "1", "--test-share", "0.5", "--val-share", "0.2", "--random-seed", "3")
    assert run("demo", "--out", tmp_path / "out", *options) == 0
    parts = lists(tmp_path / "out")
    assert sum(map(len, parts.values())) == len(UCM.scene_classes)
    assert {part: len(names) for part, names in parts.items()} == {"train": 9, "test": 10, "val": 2}
    reader = TileReader(UCM, tmp_path / "out", (256, 256))
    assert all(reader.has_mask(name) for names in parts.values() for name in names)


# --- sizes and orientation --------------------------------------------------------------------------------------------


def test_mask_of_ucm_far_from_its_image_is_refused(tmp_path, capsys):
    write_ucm(tmp_path)
    write_image(tmp_path / "DLRSD" / "Labels" / "river" / "river03.png", np.ones((30, 400), np.uint8))
    assert ucm(tmp_path) == 1
    line = error_line(capsys)
    assert f"{tmp_path / 'out'}/UCMerced_Labels/river03.png is 30×400, but its image is 8×8" in line
    assert not (tmp_path / "out").exists()


def test_turned_images_of_deepglobe_are_counted(tmp_path, capsys):
    write_deepglobe(tmp_path / "land-train")
    write_image(tmp_path / "land-train" / "101_sat.jpg", np.zeros((10, 12, 3), np.uint8), exif=orientation(6))
    assert run("deepglobe", "--source", tmp_path / "land-train", "--out", tmp_path / "out") == 0
    assert "15 tiles, turned as EXIF says: 1" in capsys.readouterr().out
