"""Bad input, command by command: one line, the right exit code, nothing half-written, nothing executed."""

import builtins
import errno
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from model.deeplabv2 import DeepLabV2
from model.discriminator import Discriminator
from tests.conftest import (
    CUSTOM,
    TinySet,
    contents,
    error_line,
    patches,
    picture,
    write_custom,
    write_deepglobe,
    write_image,
    write_list,
)
from tools import auto_evaluate, prepare_data, s4gan_run, train_AL, train_s4gan

ROOT = Path(__file__).resolve().parents[1]
MAIN = {
    "train_AL": train_AL.main,
    "train_s4gan": train_s4gan.main,
    "auto_evaluate": auto_evaluate.main,
    "prepare_data": prepare_data.main,
}
TRAINING = ["train_AL", "train_s4gan", "auto_evaluate"]
SIZE = (32, 32)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on the custom set: a tiny generator and discriminator after step 1."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.save(DeepLabV2(3, "tiny").state_dict(), folder / "checkpoint1.pth")
    torch.save(Discriminator(3).state_dict(), folder / "checkpoint1_D.pth")
    (folder / "options.json").write_text(json.dumps({"backbone": "tiny", "classes": CUSTOM["classes"]}))
    return folder


@pytest.fixture
def argv(checkpoints: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Options with which each command does a small job; `None` leaves one out, `True` is a flag."""

    def options(command: str, tiny: TinySet, **changes: object) -> list[str]:
        data = {"--dataset": tiny.dataset, "--data-dir": tiny.folder, "--data-list": tiny.list_path, "--device": "cpu"}
        own: dict[str, dict[str, object]] = {
            "train_AL": {
                "--model-name": "tiny", "--num-epochs": 1, "--input-size": "32,32", "--labeled-ratio": "0.5",
                "--precision": "fp32", "--save-dir": tmp_path / "out",
            },
            "train_s4gan": {
                "--backbone": "tiny", "--restore-from": "none", "--threshold-st": 0.5, "--num-steps": 1,
                "--batch-size": 1, "--input-size": "32,32", "--precision": "fp32", "--checkpoint-dir": tmp_path / "out",
            },
            "auto_evaluate": {
                "--start-eval": 1, "--end-eval": 1, "--step-eval": 1, "--input-size": "32,32", "--precision": "fp32",
                "--checkpoint-dir": checkpoints, "--save-dir": tmp_path / "out",
            },
        }  # fmt: skip
        chosen = data | own[command] | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
        given = [[name] if value is True else [name, str(value)] for name, value in chosen.items() if value is not None]
        return [part for pair in given for part in pair]

    return options


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Run a command that has to fail; returns its line, after a look that no file came, went or changed."""

    def run(code: int, command: str, options: list[str]) -> str:
        before = contents(tmp_path)
        line = error_line(capsys, code, MAIN[command], options)
        assert contents(tmp_path) == before
        return line

    return run


@pytest.fixture
def accepted(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that has to succeed; returns what it says on stderr."""

    def run(command: str, options: list[str]) -> str:
        assert MAIN[command](options) == 0
        return capsys.readouterr().err

    return run


# --- Lists ------------------------------------------------------------------------------------------------------------

BAD_LISTS = {
    "missing": (None, 2, "no list of names"),
    "empty": (b"", 1, "holds no names"),
    "blank": (b" \r\n\t\n\n", 1, "holds no names"),
    "byte-order mark alone": (b"\xef\xbb\xbf", 1, "holds no names"),
    "duplicates": (b"tile0\ntile1\ntile0\n", 1, "line 3: 'tile0' stands on line 1"),
    "duplicate by its ending": (b"tile0\ntile0.png\n", 1, "line 2"),
    "parent folder": (b"tile0\n../tile1\n", 1, "line 2: '../tile1' leads out"),
    "parent folder within": (b"a/../../tile1\n", 1, "leads out"),
    "absolute": (b"/etc/passwd\n", 1, "leads out"),
    "drive": (b"C:\\tile1\n", 1, "leads out"),
    "undecodable bytes": (b"tile0\n\xff\xfe\n", 1, "line 2: not UTF-8"),
    "UTF-16": ("tile0\n".encode("utf-16"), 1, "not UTF-8"),
    "null character": (b"ti\0le\n", 1, "leads out"),
    "endless line": (b"x" * 5000, 1, "no tile name"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\xff", 1, "not UTF-8"),
    "unknown tile": (b"tile0\nnowhere\n", 1, "nowhere.png"),
}


@pytest.mark.parametrize("command", TRAINING)
@pytest.mark.parametrize("kind", BAD_LISTS)
def test_list_is_refused(argv, refused, custom_set, command, kind):
    content, code, words = BAD_LISTS[kind]
    path = custom_set.folder / "names.txt"
    if content is not None:
        path.write_bytes(content)
    assert words in refused(code, command, argv(command, custom_set, data_list=path))


@pytest.mark.parametrize("command", TRAINING)
def test_folder_in_place_of_a_list_is_refused(argv, refused, custom_set, command):
    options = argv(command, custom_set, data_list=custom_set.folder)
    assert "is a folder" in refused(2, command, options)


@pytest.mark.parametrize(
    "content",
    [
        b"tile0\r\ntile1\r\n",
        b"tile0\rtile1",
        b"\xef\xbb\xbftile0\ntile1\n",
        b"  tile0\t \n\n\ntile1   ",
        b"tile0.png\ntile1.PNG\n",
        b"tile0.tif\ntile1.jpeg\n",
        b"tile0\n",
    ],
    ids=["CRLF", "CR", "byte-order mark", "blanks", "endings", "other endings", "a single name"],
)
def test_list_as_people_write_it_works(argv, accepted, custom_set, content):
    path = custom_set.folder / "names.txt"
    path.write_bytes(content)
    accepted("auto_evaluate", argv("auto_evaluate", custom_set, data_list=path))


def test_name_with_blanks_in_it_works(argv, accepted, custom_set):
    for folder in ("images", "masks"):
        (custom_set.folder / folder / "tile0.png").rename(custom_set.folder / folder / "a tile.png")
    path = write_list(custom_set.folder / "names.txt", ["a tile"])
    accepted("auto_evaluate", argv("auto_evaluate", custom_set, data_list=path))


def test_single_name_trains(argv, accepted, custom_set):
    path = write_list(custom_set.folder / "names.txt", ["tile0"])
    accepted("train_s4gan", argv("train_s4gan", custom_set, data_list=path))


# --- Images -----------------------------------------------------------------------------------------------------------


def saved(pixels: np.ndarray, ending: str = "png", mode: str | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, format=ending, **options)
    return buffer.getvalue()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def tiff_of_bands(pixels: np.ndarray, photometric: int, extra: tuple[int, ...]) -> bytes:
    """An uncompressed TIFF of any number of bands, which Pillow does not write; shape (H, W, bands)."""
    height, width, bands = pixels.shape
    data = pixels.tobytes()
    values = np.array([8 * pixels.itemsize] * bands, "<u2").tobytes()
    end = 8 + len(data)
    tags = {256: (3, [width]), 257: (3, [height]), 258: (3, None), 259: (3, [1]), 262: (3, [photometric])}
    tags |= {273: (4, [8]), 277: (3, [bands]), 278: (3, [height]), 279: (4, [len(data)]), 284: (3, [1])}
    tags |= {338: (3, list(extra))} if extra else {}
    entries = b""
    for tag, (kind, numbers) in sorted(tags.items()):
        if numbers is None:
            entries += struct.pack("<HHII", tag, kind, bands, end)
        else:
            content = b"".join(struct.pack("<H" if kind == 3 else "<I", n) for n in numbers)
            entries += struct.pack("<HHI", tag, kind, len(numbers)) + content.ljust(4, b"\0")
    directory = struct.pack("<H", len(tags)) + entries + b"\0\0\0\0"
    return b"II*\0" + struct.pack("<I", end + len(values)) + data + values + directory


PIXELS = picture(0, SIZE)
BAD_IMAGES: dict[str, tuple[Callable[[], bytes | None], str]] = {
    "missing": (lambda: None, "missing"),
    "empty": (lambda: b"", "is empty"),
    "zero bytes": (lambda: b"\0" * 500, "is not an image"),
    "text": (lambda: b"no image", "is not an image"),
    "web page": (lambda: b"<!DOCTYPE html><html></html>", "is not an image"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n", "is not an image"),
    "cut PNG": (lambda: half(saved(PIXELS)), "damaged"),
    "cut JPEG": (lambda: saved(PIXELS, "jpeg", quality=100)[:-50], "damaged"),
    "cut TIFF": (lambda: half(saved(PIXELS, "tiff")), "damaged"),
    "cut TIFF, packed": (lambda: half(saved(PIXELS, "tiff", compression="tiff_lzw")), "is cut off"),
    "cut header": (lambda: saved(PIXELS)[:20], "Truncated"),
    "16-bit grey": (lambda: cv2.imencode(".png", np.full(SIZE, 3000, np.uint16))[1].tobytes(), "16-bit"),
    "16-bit colour": (lambda: cv2.imencode(".png", np.full((*SIZE, 3), 3000, np.uint16))[1].tobytes(), "16-bit"),
    "16-bit TIFF": (lambda: cv2.imencode(".tif", np.full((*SIZE, 3), 3000, np.uint16))[1].tobytes(), "16-bit"),
    "float": (lambda: saved(np.full(SIZE, 0.5, np.float32), "tiff"), "float"),
    "CMYK JPEG": (lambda: saved(PIXELS, "jpeg", "CMYK"), "CMYK; convert it to RGB"),
    "CMYK TIFF": (lambda: saved(PIXELS, "tiff", "CMYK"), "CMYK; convert it to RGB"),
    "four bands": (lambda: tiff_of_bands(np.zeros((*SIZE, 4), np.uint8), 2, (0,)), "which bands to pick is not"),
    "five bands": (lambda: tiff_of_bands(np.zeros((*SIZE, 5), np.uint8), 2, (0, 0)), "has 5 bands"),
    "eight bands": (lambda: tiff_of_bands(np.zeros((*SIZE, 8), np.uint8), 1, ()), "has 8 bands; which bands"),
    "four bands of 16 bits": (lambda: tiff_of_bands(np.zeros((*SIZE, 4), np.uint16), 1, ()), "has 4 bands"),
    "large": (lambda: png_header(20000, 15000), "claims 20000×15000 pixels"),
    "bomb": (lambda: png_header(60000, 60000), "3600000000 pixels"),
    "absurd": (lambda: png_header(2**31 - 1, 2**31 - 1), "tile1.png"),
    "another size": (lambda: saved(picture(0, (40, 32))), "40×32"),
}


@pytest.mark.parametrize("command", TRAINING)
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
        saved(PIXELS, mode="L"),
        saved(PIXELS, mode="LA"),
        saved(PIXELS, mode="P"),
        saved(PIXELS, mode="RGBA"),
        saved(PIXELS, "tiff", "RGBA"),
        saved(PIXELS, mode="1"),
        saved(PIXELS, "jpeg"),
        saved(PIXELS, "webp"),
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


# --- Masks ------------------------------------------------------------------------------------------------------------

PALETTE = {"field": "#102030", "forest": "#405060", "water": "#708090"}
COLOURS = np.array([[0x10, 0x20, 0x30], [0x40, 0x50, 0x60], [0x70, 0x80, 0x90]], np.uint8)
IDS = patches(0, SIZE, range(3))


def with_wrong_rows(mask: np.ndarray, rows: int, value: object) -> np.ndarray:
    wrong = mask.copy()
    wrong[:rows] = value
    return wrong


@pytest.fixture
def coloured_set(tmp_path: Path) -> TinySet:
    """The custom set with masks of three colours."""
    tiny = write_custom(tmp_path / "coloured", palette=PALETTE)
    for seed, name in enumerate(tiny.names):
        write_image(tiny.folder / "masks" / f"{name}.png", COLOURS[patches(seed, SIZE, range(3))])
    return tiny


BAD_MASKS: dict[str, tuple[str, Callable[[], bytes | None], str]] = {
    "missing": ("custom", lambda: None, "missing"),
    "empty": ("custom", lambda: b"", "is empty"),
    "cut": ("custom", lambda: half(saved(IDS)), "damaged"),
    "another size": ("custom", lambda: saved(patches(0, (32, 40), range(3))), "32×40, but its image is 32×32"),
    "ids out of range": ("custom", lambda: saved(IDS + 3), "ids that no class has (3, 4, 5)"),
    "a tenth out of range": ("custom", lambda: saved(with_wrong_rows(IDS, 4, 77)), "12.5%"),
    "colours for ids": ("custom", lambda: saved(COLOURS[IDS]), "holds colours"),
    "colours with alpha for ids": ("custom", lambda: saved(COLOURS[IDS], mode="RGBA"), "holds colours"),
    "16-bit ids": ("custom", lambda: cv2.imencode(".png", IDS.astype(np.uint16))[1].tobytes(), "16-bit"),
    "ids for colours": ("coloured", lambda: saved(IDS), "colours that no class has (most often #000000"),
    "channels in another order": ("coloured", lambda: saved(COLOURS[IDS][..., ::-1].copy()), "#302010"),
    "a tenth off the palette": ("coloured", lambda: saved(with_wrong_rows(COLOURS[IDS], 4, (1, 2, 3))), "#010203"),
    "packed as JPEG": ("coloured", lambda: saved(COLOURS[IDS], "jpeg", quality=30), "colours that no class has"),
}


@pytest.mark.parametrize("command", ["train_s4gan", "auto_evaluate"])
@pytest.mark.parametrize("kind", BAD_MASKS)
def test_mask_of_a_labelled_tile_is_refused_by_name(request, argv, refused, command, kind):
    which, make, words = BAD_MASKS[kind]
    tiny = request.getfixturevalue(f"{which}_set")
    path = tiny.folder / "masks" / "tile1.png"
    path.unlink()
    if (content := make()) is not None:
        path.write_bytes(content)
    line = refused(1, command, argv(command, tiny))
    assert words in line
    assert str(path) in line


@pytest.mark.parametrize("which", ["custom", "coloured"])
def test_a_little_off_palette_is_a_warning_with_its_share(request, argv, accepted, which):
    tiny = request.getfixturevalue(f"{which}_set")
    mask, wrong = (IDS, 77) if which == "custom" else (COLOURS[IDS], (1, 2, 3))
    (tiny.folder / "masks" / "tile1.png").write_bytes(saved(with_wrong_rows(mask, 1, wrong)))
    said = accepted("auto_evaluate", argv("auto_evaluate", tiny))
    assert "warning: " in said
    assert "tile1.png: 3.12% of the pixels" in said
    assert "Traceback" not in said
    assert ".py" not in said  # no line of code


def test_many_such_masks_are_few_lines(argv, accepted, tmp_path):
    tiny = write_custom(tmp_path / "custom", count=12)
    for name in tiny.names:
        write_image(tiny.folder / "masks" / f"{name}.png", with_wrong_rows(IDS, 1, 77))
    lines = accepted("auto_evaluate", argv("auto_evaluate", tiny)).splitlines()
    assert len([line for line in lines if "3.12%" in line]) == 5
    assert "warning: 7 more of these were not shown" in lines


def test_masks_without_a_label_are_allowed(argv, accepted, custom_set, checkpoints):
    for name in custom_set.names[:2]:
        write_image(custom_set.folder / "masks" / f"{name}.png", np.full(SIZE, 255, np.uint8))
    accepted("auto_evaluate", argv("auto_evaluate", custom_set))
    accepted("train_s4gan", argv("train_s4gan", custom_set, checkpoint_dir=custom_set.folder / "run"))


def test_no_label_in_any_mask_gives_empty_scores(argv, accepted, custom_set, tmp_path):
    for name in custom_set.names:
        write_image(custom_set.folder / "masks" / f"{name}.png", np.full(SIZE, 255, np.uint8))
    accepted("auto_evaluate", argv("auto_evaluate", custom_set))
    scores = json.loads((tmp_path / "out" / "best_scores_1.json").read_text())
    assert scores["Mean IoU"] is None


# --- Options ----------------------------------------------------------------------------------------------------------

NOT_A_SHARE = ["0", "-0.1", "1.01", "nan", "inf", "x", "", "0,05", "5%", "1e999", "sNaN"]
NOT_A_SIZE = ["320", "0,0", "320x320", "32,-32", "32,32,32", "32,", "a,b", "1e2,32", "99999,32", ""]
NOT_A_COUNT = ["0", "-1", "1.5", "x", "", "1e3", "9" * 5000]
BAD_OPTIONS = [
    *(("train_AL", name, value, "above 0") for name in ("labeled_ratio", "alpha", "beta") for value in NOT_A_SHARE),
    *(("train_s4gan", "labeled_ratio", value, "above 0") for value in NOT_A_SHARE),
    *(("train_s4gan", "threshold_st", v, "at most 1") for v in ("-0.1", "1.5", "nan", "inf", "x", "")),
    *((command, "input_size", value, "height,width") for command in TRAINING for value in NOT_A_SIZE),
    *(("train_s4gan", "num_steps", value, "whole number") for value in NOT_A_COUNT),
    *(("train_AL", "num_epochs", value, "whole number") for value in NOT_A_COUNT[:3]),
    *(("auto_evaluate", name, "0", "whole number") for name in ("start_eval", "end_eval", "step_eval")),
    ("auto_evaluate", "start_eval", "2", "lies before"),
    *((command, "batch_size", "0", "whole number") for command in TRAINING),
    *((command, "num_workers", "-1", "whole number") for command in TRAINING),
    *((command, "random_seed", "-1", "whole number") for command in TRAINING),
    *((command, "dataset", "costum", "did you mean custom") for command in TRAINING),
    *((command, "device", "cdua", "did you mean cuda") for command in TRAINING),
    *((command, "precision", "fp8", "fp8") for command in TRAINING),
    *((command, "num_classes", "7", "contradicts") for command in TRAINING),
    *((command, "data_dir", "/nowhere", "not a folder") for command in TRAINING),
    *((command, "data_dir", "/dev/null", "not a folder") for command in TRAINING),
    *((command, "learn_rate", "1", "--learn-rate") for command in TRAINING),
    ("train_AL", "query_strategy", "margn", "did you mean margin"),
    ("train_AL", "model_name", "resnet5", "did you mean resnet"),
    ("train_AL", "learning_rate", "0", "above 0"),
    ("train_AL", "momentum", "-0.5", "at least 0"),
    ("train_AL", "classifier_weights", "/nowhere.pth", "does not exist"),
    ("train_s4gan", "backbone", "resnet11", "did you mean resnet101"),
    ("train_s4gan", "threshold_st", None, "--threshold-st"),
    ("train_s4gan", "learning_rate", "-1", "above 0"),
    ("train_s4gan", "learning_rate_D", "nan", "above 0"),
    ("train_s4gan", "lambda_fm", "-1", "at least 0"),
    ("train_s4gan", "ignore_label", "256", "from 0 to 255"),
    ("train_s4gan", "save_pred_every", "0", "whole number"),
    ("train_s4gan", "accumulate", "2", "does not divide"),
    ("train_s4gan", "restore_from", "/nowhere.pth", "does not exist"),
    ("train_s4gan", "restore_from_D", "/nowhere.pth", "there is no discriminator"),
    ("train_s4gan", "labeled_ratio", "-inf", "expected one argument"),
    ("train_s4gan", "input_size", "-32,32", "expected one argument"),
    ("train_s4gan", "val_list", "/nowhere.txt", "no list of names"),
    ("train_s4gan", "active_learning", True, "--active-learning-images-array"),
    ("train_s4gan", "active_learning_images_array", "names.npy", "--active-learning"),
    ("train_s4gan", "resume", True, "no run to resume"),
    ("auto_evaluate", "checkpoint_dir", "/nowhere", "not a folder"),
    ("auto_evaluate", "end_eval", "x", "whole number"),
]


@pytest.mark.parametrize(("command", "name", "value", "words"), BAD_OPTIONS)
def test_option_is_refused(argv, refused, custom_set, command, name, value, words):
    assert words in refused(2, command, argv(command, custom_set, **{name: value}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "SOURCE"),
        (["demmo"], "demmo"),
        (["demo"], "--out"),
        (["demo", "--out", "x", "--tiles-per-class", "0"], "whole number"),
        (["demo", "--out", "x", "--test-share", "1"], "at most 0.9"),
        (["demo", "--out", "x", "--tiles-per-clas", "2"], "did you mean --tiles-per-class"),
        (["ucm", "--images", "/nowhere", "--out", "x"], "/nowhere"),
        (["deepglobe", "--source", "/nowhere", "--out", "x"], "/nowhere"),
        (["scenes", "--images", "/nowhere", "--classes", "a,b", "--out", "x"], "/nowhere"),
        (["scenes", "--images", ".", "--out", "x"], "--palette"),
        (["scenes", "--images", ".", "--classes", "a,b", "--group", "(", "--out", "x"], "regular expression"),
        (["scenes", "--images", ".", "--classes", "a,b", "--stride", "400", "--out", "x"], "leave gaps"),
        (["scenes", "--images", ".", "--classes", "a,b", "--tile-size", "0", "--out", "x"], "whole number"),
    ],
)
def test_preparing_refuses_options(capsys, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    assert words in error_line(capsys, 2, prepare_data.main, options)
    assert not list(tmp_path.iterdir())


# --- dataset.json, CSV, class map -------------------------------------------------------------------------------------


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in CUSTOM.items() if name != key}


def line_of(**changes: object) -> bytes:
    return json.dumps(CUSTOM | changes).encode()


BAD_DESCRIPTIONS = {
    "empty": (b"", "line 1: not JSON"),
    "malformed": (b'{\n  "version": 1,\n  "name" "tiny"\n}', "line 3: not JSON"),
    "cut": (line_of()[:40], "line 1: not JSON"),
    "not UTF-8": (b'{"name": "\xff"}', "not UTF-8"),
    "nested": (b"[" * 100_000, "nested too deeply"),
    "a list": (b"[1, 2]", "expected an object"),
    **{f"without {key}": (json.dumps(without(key)).encode(), f"`{key}` is missing") for key in list(CUSTOM)[:5]},
    "version": (line_of(version=2), "version 2 is not known"),
    "unknown key": (line_of(palete=None), "did you mean palette"),
    "repeated class": (line_of(classes=["field", "forest", "field"]), "`classes` repeats field"),
    "one class": (line_of(classes=["field"]), "2 to 254"),
    "classes as text": (line_of(classes="field"), "must be a list"),
    "repeated colour": (line_of(palette=PALETTE | {"water": "#102030"}), "same colour"),
    "unknown class in palette": (line_of(palette=PALETTE | {"sea": "#000000"}), "differ in sea"),
    "class without a colour": (line_of(palette={"field": "#102030"}), "differ in forest, water"),
    "bad colour": (line_of(palette=PALETTE | {"water": "blue"}), "#RRGGBB, found 'blue'"),
    "ignored class colour": (line_of(palette=PALETTE, ignore_colours=["#102030"]), "both a class and an ignored"),
    "template without a name": (line_of(images="images/tile.png"), "{name}"),
    "template that leaves the folder": (line_of(masks="../{name}.png"), "below the data folder"),
    "absolute template": (line_of(images="/etc/{name}"), "below the data folder"),
    "tile size": (line_of(tile_size="320"), "`tile_size`"),
    "pattern": (line_of(group="("), "regular expression"),
    "labels without classes": (line_of(scene_classes=None), "needs `scene_classes`"),
    "labels that leave the folder": (line_of(scene_labels="../labels.csv"), "below the data folder"),
}


@pytest.mark.parametrize("kind", BAD_DESCRIPTIONS)
def test_dataset_json_is_refused(argv, refused, custom_set, kind):
    content, words = BAD_DESCRIPTIONS[kind]
    (custom_set.folder / "dataset.json").write_bytes(content)
    line = refused(1, "train_s4gan", argv("train_s4gan", custom_set))
    assert words in line
    assert "dataset.json" in line


@pytest.mark.parametrize("command", TRAINING)
def test_missing_dataset_json_is_an_option_error(argv, refused, custom_set, command):
    (custom_set.folder / "dataset.json").unlink()
    assert "dataset.json" in refused(2, command, argv(command, custom_set))


BAD_LABELS = {
    "empty": (b"", "line 1: expected a header"),
    "no header": (b"tile0,dry\ntile1,wet\n", "line 1: expected a header"),
    "unknown class": (
        b"name,label\ntile0,dry\ntile1,wett\n",
        "line 3: 'tile1' has unknown scene class 'wett'; did you",
    ),
    "contradiction": (b"name,label\ntile0,dry\ntile0,wet\n", "line 3: 'tile0' is wet here and dry above"),
    "too few columns": (b"name,label\ntile0\n", "line 2: expected 2 columns"),
    "not UTF-8": (b"name,label\ntile0,\xff\n", "not UTF-8"),
    "open quote": (b'name,label\n"tile0,dry\n', "not a readable CSV"),
    "a picture": (saved(PIXELS), "scene_labels.csv"),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_scene_labels_are_refused(argv, refused, custom_set, kind):
    content, words = BAD_LABELS[kind]
    (custom_set.folder / "scene_labels.csv").write_bytes(content)
    assert words in refused(1, "train_AL", argv("train_AL", custom_set))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not readable JSON"),
        (b"[]", "expected {tile id: scene class}"),
        (b'{"100": "sea"}', "unknown scene class"),
    ],
)
def test_class_map_is_refused(argv, refused, tmp_path, content, words):
    tiny = write_deepglobe(tmp_path / "deepglobe", count=2)
    (tiny.folder / "class_map.json").write_bytes(content)
    assert words in refused(1, "train_AL", argv("train_AL", tiny))


# --- Weights and checkpoints ------------------------------------------------------------------------------------------


class Hostile:
    """Unpickling one makes a folder: a harmless stand-in for any code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def tensors_file(content: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def zip_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def array_file(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


OLD = {"_use_new_zipfile_serialization": False}
BAD_WEIGHTS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "empty": (lambda _: b"", "an empty file"),
    "web page": (lambda _: b"<!DOCTYPE html>\n<html></html>", "a web page"),
    "text": (lambda _: b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
    "noise": (lambda _: bytes(range(256)) * 8, "truncated, damaged"),
    "cut": (lambda _: half(tensors_file(DeepLabV2(3, "tiny").state_dict())), "truncated or damaged"),
    "cut, old format": (lambda _: half(tensors_file(DeepLabV2(3, "tiny").state_dict(), **OLD)), "truncated, damaged"),
    "an array": (lambda _: array_file(np.zeros(3)), "a NumPy array"),
    "another zip": (lambda _: zip_of("tiles.txt", b"tile0"), "without torch's data.pkl"),
    "a list": (lambda _: tensors_file([torch.zeros(2)]), "holds a list"),
    "no tensors": (lambda _: tensors_file({"step": 3}), "no tensors"),
    "another network": (lambda _: tensors_file(torch.nn.Linear(2, 2).state_dict()), "a state dict of 2 tensors"),
    "other classes": (lambda _: tensors_file(DeepLabV2(5, "tiny").state_dict()), "5 classes"),
    "another backbone": (lambda _: tensors_file({"backbone.conv1.weight": torch.zeros(1)}), "missing"),
    "D for G": (lambda _: tensors_file(Discriminator(3).state_dict()), "a discriminator's checkpoint"),
    "code": (lambda folder: tensors_file({"w": Hostile(folder)}), "none of which was run"),
    "code, old format": (lambda folder: tensors_file({"w": Hostile(folder)}, **OLD), "none of which was run"),
    "code, plain pickle": (lambda folder: pickle.dumps(Hostile(folder), 2), "none of which was run"),
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_weights_are_refused_and_never_run(argv, refused, custom_set, tmp_path, kind):
    make, words = BAD_WEIGHTS[kind]
    path = tmp_path / "weights.pth"
    path.write_bytes(make(tmp_path / "executed"))
    line = refused(1, "train_s4gan", argv("train_s4gan", custom_set, restore_from=path))
    assert words in line
    assert str(path) in line
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("kind", ["empty", "web page", "cut", "another network", "code", "code, plain pickle"])
@pytest.mark.parametrize(("command", "option"), [("train_s4gan", "restore_from_D"), ("train_AL", "classifier_weights")])
def test_other_weights_are_refused_and_never_run(argv, refused, custom_set, tmp_path, command, option, kind):
    path = tmp_path / "weights.pth"
    path.write_bytes(BAD_WEIGHTS[kind][0](tmp_path / "executed"))
    ratio = {"labeled_ratio": "0.5"} if command == "train_s4gan" else {}
    line = refused(1, command, argv(command, custom_set, **{option: path}, **ratio))
    assert str(path) in line
    assert not (tmp_path / "executed").exists()


def test_missing_discriminator_is_an_option_error(argv, refused, custom_set):
    options = argv("train_s4gan", custom_set, restore_from_D="/nowhere.pth", labeled_ratio="0.5")
    assert "/nowhere.pth does not exist" in refused(2, "train_s4gan", options)


def test_generator_in_place_of_a_discriminator_is_refused(argv, refused, custom_set, checkpoints):
    options = argv("train_s4gan", custom_set, restore_from_D=checkpoints / "checkpoint1.pth", labeled_ratio="0.5")
    assert "a generator checkpoint" in refused(1, "train_s4gan", options)


def test_folder_in_place_of_weights_is_refused(argv, refused, custom_set):
    options = argv("train_s4gan", custom_set, restore_from=custom_set.folder)
    assert "a folder" in refused(1, "train_s4gan", options)


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_checkpoint_is_refused_and_never_run(capsys, argv, checkpoints, custom_set, tmp_path, kind):
    make, words = BAD_WEIGHTS[kind]
    run = tmp_path / "run"
    shutil.copytree(checkpoints, run)
    (run / "checkpoint2.pth").write_bytes(make(tmp_path / "executed"))
    alone = argv("auto_evaluate", custom_set, checkpoint_dir=run, start_eval=2, end_eval=2)
    assert auto_evaluate.main(alone) == 1
    warning, error = capsys.readouterr().err.splitlines()
    assert words in warning
    assert error.startswith("error: no checkpoint of")
    assert not (tmp_path / "out").exists()
    with_another = argv("auto_evaluate", custom_set, checkpoint_dir=run, start_eval=1, end_eval=2)
    assert auto_evaluate.main(with_another) == 4  # the good one is evaluated, the bad one named
    assert "skipped 1 checkpoints: 2" in capsys.readouterr().err
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not readable JSON"),
        (b"[]", "expected an object"),
        (b'{"backbone": "resnet11"}', "resnet11"),
        (b'{"backbone": ["tiny"]}', "tiny"),
        (b'{"backbone": "tiny", "classes": 3}', "classes"),
        (b"\xff", "not readable JSON"),
    ],
)
def test_options_of_a_run_are_refused(capsys, argv, checkpoints, custom_set, tmp_path, content, words):
    run = tmp_path / "run"
    shutil.copytree(checkpoints, run)
    (run / "options.json").write_bytes(content)
    assert auto_evaluate.main(argv("auto_evaluate", custom_set, checkpoint_dir=run)) in (1, 2)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert words in said[0]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinySet, Path, list[str]]:
    """A set, the folder of a finished run on it, and the options without the folder."""
    tiny = write_custom(tmp_path_factory.mktemp("trained") / "custom")
    run = tiny.folder.parent / "run"
    options = ["--dataset", "custom", "--data-dir", tiny.folder, "--data-list", tiny.list_path, "--backbone", "tiny"]
    options += ["--restore-from", "none", "--threshold-st", 0.5, "--num-steps", 1, "--batch-size", 1]
    options += ["--input-size", "32,32", "--labeled-ratio", "0.5", "--device", "cpu", "--precision", "fp32"]
    texts = [str(option) for option in options]
    assert train_s4gan.main([*texts, "--checkpoint-dir", str(run)]) == 0
    return tiny, run, texts


DAMAGED = ("empty", "web page", "noise", "cut", "a list", "D for G", "code", "code, plain pickle")
BAD_STATES = {kind: BAD_WEIGHTS[kind] for kind in DAMAGED} | {
    "a state without networks": (lambda _: tensors_file({"step": 1, "random": {}}), "does not fit this run"),
    "networks of another run": (
        lambda _: tensors_file({"step": 1, "generator": DeepLabV2(5, "tiny").state_dict()}),
        "does not fit this run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_STATES)
def test_state_to_resume_from_is_refused_and_never_run(refused, trained, tmp_path, kind):
    _, run, options = trained
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "last.pth").write_bytes(BAD_STATES[kind][0](tmp_path / "executed"))
    line = refused(1, "train_s4gan", [*options, "--checkpoint-dir", str(tmp_path / "run"), "--resume"])
    assert "last.pth" in line
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("missing", ["step", "generator", "discriminator_optimiser", "random", "threads", "best_score"])
def test_state_with_a_missing_part_is_refused(refused, trained, tmp_path, missing):
    _, run, options = trained
    shutil.copytree(run, tmp_path / "run")
    state = torch.load(run / "last.pth", weights_only=True)
    del state[missing]
    torch.save(state, tmp_path / "run" / "last.pth")
    line = refused(1, "train_s4gan", [*options, "--checkpoint-dir", str(tmp_path / "run"), "--resume"])
    assert f"does not fit this run ('{missing}')" in line


def test_damaged_log_does_not_keep_a_run_from_being_resumed(accepted, trained, tmp_path):
    _, run, options = trained
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "metrics.csv").write_bytes(b"step,loss_ce\n\xff\xfe\n1,\0\n")
    accepted("train_s4gan", [*options, "--checkpoint-dir", str(tmp_path / "run"), "--resume"])


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("options.json", b"{", 1),
        ("options.json", b"{}", 2),
        ("options.json", b'{"imagenet_weights": false, "options": 3}', 1),
        ("labelled_names.txt", b"", 1),
        ("labelled_names.txt", b"tile3\n", 1),
        ("labelled_names.txt", None, 2),
    ],
)
def test_damaged_run_is_not_resumed(refused, trained, tmp_path, file, content, code):
    _, run, options = trained
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / file).unlink()
    if content is not None:
        (tmp_path / "run" / file).write_bytes(content)
    refused(code, "train_s4gan", [*options, "--checkpoint-dir", str(tmp_path / "run"), "--resume"])


def test_another_run_is_neither_overwritten_nor_resumed_with_other_options(refused, trained, tmp_path):
    _, run, options = trained
    shutil.copytree(run, tmp_path / "run")
    folder = ["--checkpoint-dir", str(tmp_path / "run")]
    assert "--overwrite" in refused(2, "train_s4gan", [*options, *folder])
    line = refused(2, "train_s4gan", [*options, *folder, "--resume", "--learning-rate", "0.5"])
    assert "--learning-rate was 0.00025 and is 0.5" in line


@pytest.fixture(scope="session")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a finished run of the active learner, and the options without the folder."""
    tiny = write_custom(tmp_path_factory.mktemp("chosen") / "custom")
    options = ["--dataset", "custom", "--data-dir", tiny.folder, "--data-list", tiny.list_path, "--device", "cpu"]
    options += ["--model-name", "tiny", "--num-epochs", 1, "--input-size", "32,32", "--labeled-ratio", "0.5"]
    texts = [str(option) for option in [*options, "--precision", "fp32"]]
    assert train_AL.main([*texts, "--save-dir", str(tiny.folder.parent / "out")]) == 0
    return tiny.folder.parent / "out", texts


@pytest.mark.parametrize("kind", ["empty", "web page", "cut", "a list", "D for G", "code", "code, plain pickle"])
def test_state_of_the_learner_is_refused_and_never_run(refused, chosen, tmp_path, kind):
    run, options = chosen
    shutil.copytree(run, tmp_path / "out")
    (state,) = (tmp_path / "out").rglob("state.pth")
    state.write_bytes(BAD_WEIGHTS[kind][0](tmp_path / "executed"))
    line = refused(1, "train_AL", [*options, "--save-dir", str(tmp_path / "out"), "--resume"])
    assert "state.pth" in line
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(("content", "code"), [(b"{", 1), (b"[]", 1), (b"{}", 2), (b"\xff", 1)])
def test_options_of_the_learner_are_refused(refused, chosen, tmp_path, content, code):
    run, options = chosen
    shutil.copytree(run, tmp_path / "out")
    (file,) = (tmp_path / "out").rglob("options.json")
    file.write_bytes(content)
    line = refused(code, "train_AL", [*options, "--save-dir", str(tmp_path / "out"), "--resume"])
    assert ("options.json" if code == 1 else "cannot be resumed with other options") in line


def test_another_run_of_the_learner_is_neither_overwritten_nor_resumed_with_other_options(refused, chosen, tmp_path):
    run, options = chosen
    shutil.copytree(run, tmp_path / "out")
    folder = ["--save-dir", str(tmp_path / "out")]
    assert "--overwrite" in refused(2, "train_AL", [*options, *folder])
    line = refused(2, "train_AL", [*options, *folder, "--resume", "--num-epochs", "2"])
    assert "--num-epochs was 1 and is 2" in line


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (None, 2, "answers.csv"),
        (b"", 1, "line 1: expected a header"),
        (b"name,label\ntile0,moist\n", 1, "line 2: 'tile0' has unknown scene class 'moist'"),
        (b"name,label\ntile0,dry\ntile0,wet\n", 1, "line 3"),
        (b"name,label\n\xff\n", 1, "not UTF-8"),
    ],
)
def test_labels_of_an_oracle_are_refused(argv, refused, custom_set, tmp_path, content, code, words):
    if content is not None:
        (tmp_path / "answers.csv").write_bytes(content)
    assert words in refused(code, "train_AL", argv("train_AL", custom_set, oracle=tmp_path / "answers.csv"))


# --- Names arrays -----------------------------------------------------------------------------------------------------


def archive_file(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


NAMES = np.array(["tile0", "tile2"])
BAD_ARRAYS: dict[str, tuple[Callable[[Path], bytes | None], int, str]] = {
    "missing": (lambda _: None, 2, "no names array"),
    "zero bytes": (lambda _: b"", 1, "not a readable .npy"),
    "text": (lambda _: b"tile0\ntile2\n", 1, "which are never loaded"),
    "web page": (lambda _: b"<html></html>", 1, "which are never loaded"),
    "cut": (lambda _: array_file(NAMES)[:-7], 1, "not a readable .npy"),
    "cut header": (lambda _: array_file(NAMES)[:30], 1, "not a readable .npy"),
    "objects": (lambda _: array_file(np.array(["tile0", None], object)), 1, "never loaded"),
    "code": (lambda folder: array_file(np.array([Hostile(folder)], object)), 1, "never loaded"),
    "plain pickle": (lambda folder: pickle.dumps(Hostile(folder)), 1, "never loaded"),
    "no names": (lambda _: array_file(np.array([], np.str_)), 1, "holds no names"),
    "bytes": (lambda _: array_file(np.array([b"tile0"])), 1, "|S5"),
    "numbers": (lambda _: array_file(np.arange(2)), 1, "int64"),
    "two dimensions": (lambda _: array_file(NAMES[None]), 1, "(1, 2)"),
    "one text": (lambda _: array_file(np.array("tile0")), 1, "shape ()"),
    "several arrays": (lambda _: archive_file(names=NAMES), 1, "archive"),
    "unknown names": (lambda _: array_file(np.array(["tile0", "tile9"])), 1, "1 of 2 names are not in"),
    "repeated names": (lambda _: array_file(np.array(["tile0", "tile0"])), 1, "repeats 'tile0'"),
    "repeated by ending": (lambda _: array_file(np.array(["tile0", "tile0.png"])), 1, "repeats 'tile0'"),
    "leaves the folder": (lambda _: array_file(np.array(["../tile0"])), 1, "are not in"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_names_array_is_refused_and_never_run(argv, refused, custom_set, tmp_path, kind):
    make, code, words = BAD_ARRAYS[kind]
    path = tmp_path / "names.npy"
    if (content := make(tmp_path / "executed")) is not None:
        path.write_bytes(content)
    chosen = {"active_learning": True, "active_learning_images_array": path}
    assert words in refused(code, "train_s4gan", argv("train_s4gan", custom_set, **chosen))
    assert not (tmp_path / "executed").exists()


def test_names_of_another_count_than_the_ratio_are_a_warning(argv, accepted, custom_set, tmp_path):
    np.save(tmp_path / "names.npy", NAMES)
    chosen = {"active_learning": True, "active_learning_images_array": tmp_path / "names.npy", "labeled_ratio": "0.25"}
    assert "holds 2 names, but --labeled-ratio 0.25 of 4 tiles is 1" in accepted(
        "train_s4gan", argv("train_s4gan", custom_set, **chosen)
    )


# --- Places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("train_AL", "save_dir"),
        ("train_AL", "cache_dir"),
        ("train_s4gan", "checkpoint_dir"),
        ("train_s4gan", "cache_dir"),
        ("auto_evaluate", "save_dir"),
        ("auto_evaluate", "cache_dir"),
    ],
)
@pytest.mark.parametrize("place", ["below a file", "a file", "read-only"])
def test_folder_that_cannot_be_written_is_refused(
    argv, refused, custom_set, tmp_path, read_only, command, option, place
):
    (tmp_path / "file").write_text("a file")
    folder = {"below a file": tmp_path / "file" / "folder", "a file": tmp_path / "file", "read-only": read_only / "new"}
    line = refused(2, command, argv(command, custom_set, **{option: folder[place]}))
    assert str(folder[place]) in line
    assert (tmp_path / "file").read_text() == "a file"


@pytest.mark.parametrize("place", ["below a file", "a file", "read-only"])
def test_preparing_refuses_a_folder_that_cannot_be_written(capsys, tmp_path, read_only, place):
    (tmp_path / "file").write_text("a file")
    folder = {"below a file": tmp_path / "file" / "folder", "a file": tmp_path / "file", "read-only": read_only / "new"}
    options = ["demo", "--tiles-per-class", "1", "--out", str(folder[place])]
    assert str(folder[place]) in error_line(capsys, 2, prepare_data.main, options)


def test_data_folder_that_cannot_be_written_is_read_without_a_cache(argv, accepted, custom_set, monkeypatch, tmp_path):
    (custom_set.folder / ".cache").write_text("not a folder")
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert "warning: no cache folder" in accepted("auto_evaluate", argv("auto_evaluate", custom_set))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody may write to: mounted read-only where root is at hand, else by its permissions."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if mounted(folder, "ro"):
        yield folder
        subprocess.run(["umount", str(folder)], check=True)
        return
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)


def mounted(folder: Path, options: str) -> bool:
    """Mount a small tmpfs, where root is at hand."""
    if shutil.which("mount") is None:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def bytes_below(folder: Path) -> int:
    """Sizes of all files below a folder, together; a file that another thread renames meanwhile does not count."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(parent) / name).stat().st_size
    return total


class LimitedFile:
    """A file on a fake disk that may be full."""

    def __init__(self, file: IO[Any], claim: Callable[[int], None]) -> None:
        self.file, self.claim = file, claim

    def write(self, content: Any) -> int:
        self.claim(len(content) if isinstance(content, str) else memoryview(content).nbytes)
        return self.file.write(content)

    def close(self) -> None:
        self.file.close()
        self.claim(0)  # Pillow writes past this object

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> "LimitedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture(params=["a small disk", "a fake"])
def full_disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Makes a folder whose disk is full after some bytes: a tmpfs where root is at hand, else its files say so."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounts: list[Path] = []

    def make(num_bytes: int) -> Path:
        if request.param == "a small disk" and mounted(folder, f"size={num_bytes}"):
            mounts.append(folder)
            return folder
        real_open = io.open

        def claim(more: int) -> None:
            if more + bytes_below(folder) > num_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def limited_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            opened = real_open(file, mode, *args, **kwargs)
            is_on_disk = not isinstance(file, int) and folder in Path(os.fsdecode(file)).parents
            return LimitedFile(opened, claim) if is_on_disk and "r" not in mode else opened

        monkeypatch.setattr(io, "open", limited_open)
        monkeypatch.setattr(builtins, "open", limited_open)
        return folder

    yield make
    for mount in mounts:
        subprocess.run(["umount", "--lazy", str(mount)], check=True)  # a log may still be open


@pytest.mark.parametrize(
    ("command", "option", "num_bytes", "words"),
    [
        ("train_AL", "save_dir", 4096, ""),
        ("train_AL", "save_dir", 12288, ""),
        ("train_AL", "cache_dir", 8192, "run"),
        ("train_s4gan", "checkpoint_dir", 4096, "run"),
        ("train_s4gan", "checkpoint_dir", 4_000_000, "checkpoint1_D.pth"),
        ("train_s4gan", "checkpoint_dir", 20_000_000, "last.pth"),
        ("train_s4gan", "cache_dir", 8192, "run"),
        ("auto_evaluate", "save_dir", 4096, ""),
        ("auto_evaluate", "save_dir", 12288, ""),
        ("auto_evaluate", "cache_dir", 8192, "run"),
    ],
)
def test_full_disk_is_one_line_and_leaves_nothing_half_written(
    capsys, argv, custom_set, full_disk, monkeypatch, command, option, num_bytes, words
):
    monkeypatch.setattr(s4gan_run, "checkpoint_space", lambda *_: (1, 0))  # else it is refused before it begins
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    disk = full_disk(num_bytes)
    options = argv(command, custom_set, **{option: disk / "run"}, labeled_ratio=None if "eval" in command else "0.5")
    line = error_line(capsys, 1, MAIN[command], options)
    assert "the disk is full" in line
    assert words in line
    for path in disk.rglob("*"):
        assert not path.name.endswith(".part")
        assert path.parent.name != "run" or not path.name.startswith(".")
        if path.suffix == ".pth":
            assert torch.load(path, weights_only=True)
        if path.suffix == ".npy":
            assert len(np.load(path, allow_pickle=False))


def test_cache_that_does_not_fit_is_refused_before_it_is_built(argv, refused, custom_set, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    assert "--no-cache" in refused(1, "train_s4gan", argv("train_s4gan", custom_set))


def test_checkpoints_that_do_not_fit_are_refused_before_training(argv, refused, custom_set, monkeypatch):
    monkeypatch.setattr(s4gan_run, "checkpoint_space", lambda *_: (200, 10**18))
    assert "--keep-last" in refused(2, "train_s4gan", argv("train_s4gan", custom_set))


def test_full_disk_leaves_no_prepared_folder(capsys, full_disk):
    disk = full_disk(200_000)
    line = error_line(capsys, 1, prepare_data.main, ["demo", "--tiles-per-class", "1", "--out", str(disk / "demo")])
    assert "the disk is full" in line
    assert not list(disk.iterdir())


def test_full_disk_leaves_no_picture_of_a_check(capsys, custom_set, full_disk):
    disk = full_disk(4096)
    options = ["--dataset", "custom", "--data-dir", str(custom_set.folder), "--data-list", str(custom_set.list_path)]
    options += ["--backbone", "tiny", "--device", "cpu", "--out", str(disk / "check.png")]
    assert "check.png could not be written: the disk is full" in error_line(
        capsys, 1, prepare_data.main, ["check", *options]
    )
    assert not list(disk.iterdir())


# --- Processes --------------------------------------------------------------------------------------------------------


def test_as_processes(argv, custom_set, tmp_path):
    """A mistake of each command in a process of its own: the line is all that stderr holds."""
    (tmp_path / "weights.pth").write_bytes(BAD_WEIGHTS["code, plain pickle"][0](tmp_path / "executed"))
    bands = custom_set.folder / "images" / "tile1.png"
    calls = {
        "train_AL": (1, argv("train_AL", custom_set)),
        "train_s4gan": (2, argv("train_s4gan", custom_set, threshold_st="1.5")),
        "auto_evaluate": (1, argv("auto_evaluate", custom_set, data_list=tmp_path / "weights.pth")),
    }
    bands.write_bytes(BAD_IMAGES["eight bands"][0]() or b"")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = {
        command: subprocess.Popen(
            [sys.executable, str(ROOT / "tools" / f"{command}.py"), *options],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for command, (_, options) in calls.items()
    }  # fmt: skip
    for command, process in running.items():
        out, err = process.communicate()
        assert process.returncode == calls[command][0], err
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1, err
        assert "Traceback" not in out
    assert not (tmp_path / "executed").exists()


def test_debug_shows_the_traceback_before_the_line(capsys, argv, custom_set):
    options = argv("train_s4gan", custom_set, data_list="/nowhere.txt", debug=True)
    assert train_s4gan.main(options) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("error: ")
