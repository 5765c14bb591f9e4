import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from data.decoding.images import read_image
from data.descriptions import DEEPGLOBE
from data.reader import TileReader
from model import trained
from model.networks.deeplabv2 import DeepLabV2
from tests.conftest import (
    CUSTOM,
    TinySet,
    contents,
    error_line,
    orientation,
    picture,
    write_custom,
    write_image,
    write_list,
)
from tools import predict
from utils.drawing.pictures import colourise, overlay
from utils.evaluation.crf.mean_field import dense_crf
from utils.evaluation.settings import CRFSettings
from utils.imagery.images import normalise, to_unit_range

CLASSES = CUSTOM["classes"]
COLOURS = [(10, 20, 30), (200, 0, 0), (0, 0, 250)]
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def network() -> DeepLabV2:
    """A tiny network of three classes, none of which takes a whole map."""
    torch.manual_seed(1)
    return balanced(DeepLabV2(3, "tiny").eval())


@torch.inference_mode()
def balanced(network: DeepLabV2) -> DeepLabV2:
    """Take the logits' mean, of one picture, off the bias."""
    images = torch.from_numpy(picture(99, (64, 64))).permute(2, 0, 1)[None]
    logits = network(normalise(to_unit_range(images, CPU)))
    network.head[0].bias -= logits.mean(dim=(0, 2, 3))
    return network


@pytest.fixture
def run_folder(tmp_path: Path, network: DeepLabV2) -> Path:
    folder = tmp_path / "checkpoint"
    write_run(folder, network)
    return folder


def write_run(folder: Path, network: DeepLabV2, step: int = 400, **record) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), folder / f"checkpoint{step}.pth")
    facts = {"backbone": "tiny", "classes": CLASSES, "colours": [list(c) for c in COLOURS], "tile_size": [32, 32]}
    (folder / "options.json").write_text(json.dumps(facts | record))
    return folder / f"checkpoint{step}.pth"


def write_images(folder: Path, sizes: dict[str, tuple[int, int]]) -> Path:
    for seed, (name, size) in enumerate(sizes.items()):
        write_image(folder / name, picture(seed, size))
    return folder


@torch.inference_mode()
def direct(network: nn.Module, image: np.ndarray) -> np.ndarray:
    """Probabilities of a whole image at once, shape (C, H, W)."""
    images = to_unit_range(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None], CPU)
    return network(normalise(images)).softmax(dim=1)[0].numpy()


def predicted(tmp_path: Path, *options: object, code: int = 0, out: str = "maps") -> Path:
    argv = ["--checkpoint-dir", tmp_path / "checkpoint", "--save-dir", tmp_path / out, "--device", "cpu"]
    if "--checkpoint" in options or "--checkpoint-dir" in options:
        argv = argv[2:]
    assert predict.main([str(part) for part in [*argv, "--precision", "fp32", *options]]) == code
    return tmp_path / out


def read_ids(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "class_shares.csv").open(encoding="utf-8")))


# --- what is written -------------------------------------------------------------------------------------------------


def test_maps_of_a_folder_are_the_networks(tmp_path, run_folder, network, capsys):
    images = write_images(tmp_path / "images", {"a.png": (32, 32), "deep/b.png": (32, 32), "c.png": (20, 27)})
    (images / "notes.txt").write_text("no image")
    maps = predicted(tmp_path, "--images", images)
    names = ["a", "c", "deep/b"]
    assert sorted(str(p.relative_to(maps / "ids")) for p in (maps / "ids").rglob("*.*")) == [f"{n}.png" for n in names]
    for name in names:
        image = read_image(images / f"{name}.png")
        ids = direct(network, image).argmax(axis=0)
        np.testing.assert_array_equal(read_ids(maps / "ids" / f"{name}.png"), ids)
        np.testing.assert_array_equal(read_image(maps / "colour" / f"{name}.png"), colourise(ids, COLOURS))
        np.testing.assert_array_equal(read_image(maps / "overlay" / f"{name}.png"), overlay(image, ids, COLOURS))
    assert "maps of 3 images" in capsys.readouterr().out


def test_shares_are_fractions_of_an_images_pixels(tmp_path, run_folder):
    images = write_images(tmp_path / "images", {"a.png": (32, 32), "b.png": (20, 27)})
    maps = predicted(tmp_path, "--images", images)
    rows = rows_of(maps)
    assert list(rows[0]) == ["image", "height", "width", *CLASSES]
    assert [(row["image"], row["height"], row["width"]) for row in rows] == [("a", "32", "32"), ("b", "20", "27")]
    for row in rows:
        ids = read_ids(maps / "ids" / f"{row['image']}.png")
        shares = [float(row[name]) for name in CLASSES]
        np.testing.assert_allclose(shares, np.bincount(ids.ravel(), minlength=3) / ids.size, atol=1e-6)
    assert sum(0.01 < float(row[name]) < 0.99 for row in rows for name in CLASSES) >= 2  # not all of one class


def test_a_single_file_and_ids_only(tmp_path, run_folder):
    image = write_image(tmp_path / "scene.jpg", picture(0, (40, 50)))
    maps = predicted(tmp_path, "--images", image, "--ids-only")
    assert read_ids(maps / "ids" / "scene.png").shape == (40, 50)
    assert sorted(path.name for path in maps.iterdir()) == ["class_shares.csv", "ids", "prediction.json"]


def test_prediction_json_says_how_the_maps_were_made(tmp_path, run_folder):
    maps = predicted(tmp_path, "--images", write_images(tmp_path / "images", {"a.png": (32, 32)}), "--flip")
    record = json.loads((maps / "prediction.json").read_text())
    assert record["checkpoint"] == str(run_folder / "checkpoint400.pth")
    assert (record["classes"], record["window"], record["options"]["flip"]) == (CLASSES, [32, 32], True)


def test_the_same_command_again_writes_the_same_bytes(tmp_path, run_folder):
    images = write_images(tmp_path / "images", {"a.png": (32, 32), "b.png": (77, 90)})
    first = predicted(tmp_path, "--images", images)
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    predicted(tmp_path, "--images", images, "--overwrite")
    assert {path: path.read_bytes() for path in first.rglob("*") if path.is_file()} == before
    assert len(before) == 8


def test_maps_do_not_depend_on_the_batch_size(tmp_path, run_folder):
    sizes = {"a.png": (32, 32), "b.png": (32, 32), "c.png": (32, 32), "d.png": (61, 70), "e.png": (32, 32)}
    images = write_images(tmp_path / "images", sizes)
    one = predicted(tmp_path, "--images", images, "--batch-size", 1, out="one")
    many = predicted(tmp_path, "--images", images, "--batch-size", 4, out="many")
    for name in sizes:
        np.testing.assert_array_equal(read_ids(one / "ids" / name), read_ids(many / "ids" / name))


# --- tiles of a list, scale, windows ---------------------------------------------------------------------------------


def list_options(tiny: TinySet) -> list[object]:
    return ["--dataset", tiny.dataset, "--data-dir", tiny.folder, "--data-list", tiny.list_path]


def test_tiles_of_a_list_are_predicted_at_tile_size_and_come_back_at_file_size(tmp_path, deepglobe_set, capsys):
    torch.manual_seed(2)
    six_classes = balanced(DeepLabV2(6, "tiny").eval())
    torch.save(six_classes.state_dict(), tmp_path / "best.pth")
    options = ["--checkpoint", tmp_path / "best.pth", "--backbone", "tiny", *list_options(deepglobe_set)]
    maps = predicted(tmp_path, *options)
    reader = TileReader(DEEPGLOBE, deepglobe_set.folder, (320, 320))
    for name in deepglobe_set.names:
        at_tile_size = direct(six_classes, reader.image(name)).argmax(axis=0).astype(np.uint8)
        expected = cv2.resize(at_tile_size, (64, 64), interpolation=cv2.INTER_NEAREST_EXACT)
        np.testing.assert_array_equal(read_ids(maps / "ids" / f"{name}.png"), expected)
        filed = read_image(reader.image_path(name))
        expected_overlay = overlay(filed, expected, DEEPGLOBE.colours)
        np.testing.assert_array_equal(read_image(maps / "overlay" / f"{name}.png"), expected_overlay)
    assert "agriculture land" in capsys.readouterr().out


def test_tiles_of_a_custom_list_need_no_mask(tmp_path, run_folder, custom_set, network):
    shutil.rmtree(custom_set.folder / "masks")
    maps = predicted(tmp_path, *list_options(custom_set))
    assert [row["image"] for row in rows_of(maps)] == custom_set.names
    image = read_image(custom_set.folder / "images" / "tile1.png")
    np.testing.assert_array_equal(read_ids(maps / "ids" / "tile1.png"), direct(network, image).argmax(axis=0))


def test_scale_resizes_images_and_brings_the_map_back(tmp_path, run_folder, network):
    image = picture(3, (60, 44))
    write_image(tmp_path / "scene.png", image)
    maps = predicted(tmp_path, "--images", tmp_path / "scene.png", "--scale", 0.5)
    small = cv2.resize(image, (22, 30), interpolation=cv2.INTER_AREA)
    ids = direct(network, small).argmax(axis=0).astype(np.uint8)
    expected = cv2.resize(ids, (44, 60), interpolation=cv2.INTER_NEAREST_EXACT)
    np.testing.assert_array_equal(read_ids(maps / "ids" / "scene.png"), expected)


class PixelNetwork(nn.Module):
    """Looks at single pixels, and notes the shapes that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1, bias=False)
        self.shapes: list[tuple[int, ...]] = []
        nn.init.orthogonal_(self.mix.weight)

    def forward(self, images: Tensor) -> Tensor:
        self.shapes.append(tuple(images.shape))
        return self.mix(images)


def test_large_images_are_read_in_windows_of_the_tile_size(tmp_path, run_folder, monkeypatch):
    torch.manual_seed(0)
    pixels = PixelNetwork()
    monkeypatch.setattr(trained, "DeepLabV2", lambda *_: pixels)
    monkeypatch.setattr(trained, "load_network", lambda *_: None)
    image = picture(5, (75, 131))
    write_image(tmp_path / "scene.png", image)
    maps = predicted(tmp_path, "--images", tmp_path / "scene.png", "--batch-size", 4)
    assert {shape[2:] for shape in pixels.shapes} == {(32, 32)}
    assert max(shape[0] for shape in pixels.shapes) == 4
    np.testing.assert_array_equal(read_ids(maps / "ids" / "scene.png"), direct(pixels, image).argmax(axis=0))
    pixels.shapes.clear()
    predicted(tmp_path, "--images", tmp_path / "scene.png", "--input-size", "40,200", "--overlap", "0", "--overwrite")
    assert pixels.shapes == [(1, 3, 40, 131)] * 2


def test_flip_is_blind_to_left_and_right(tmp_path, run_folder):
    image = picture(7, (32, 32))
    images = tmp_path / "images"
    write_image(images / "a.png", image)
    write_image(images / "b.png", np.ascontiguousarray(image[:, ::-1]))
    maps = predicted(tmp_path, "--images", images, "--flip")
    mirrored = read_ids(maps / "ids" / "b.png")[:, ::-1]
    np.testing.assert_array_equal(read_ids(maps / "ids" / "a.png"), mirrored)
    plain = predicted(tmp_path, "--images", images, out="plain")
    assert (read_ids(plain / "ids" / "a.png") != read_ids(plain / "ids" / "b.png")[:, ::-1]).any()


def test_crf_refines_each_window_with_its_options(tmp_path, run_folder, network):
    image = picture(2, (32, 32))
    write_image(tmp_path / "a.png", image)
    plain = read_ids(predicted(tmp_path, "--images", tmp_path / "a.png", out="plain") / "ids" / "a.png")
    options = ["--crf", "--crf-colour-sigma", 20, "--crf-iterations", 3]
    refined = read_ids(predicted(tmp_path, "--images", tmp_path / "a.png", *options) / "ids" / "a.png")
    expected = dense_crf(direct(network, image), image, CRFSettings(iterations=3, bilateral_sigma_rgb=20))
    np.testing.assert_array_equal(refined, expected.argmax(axis=0))
    assert (refined != plain).any()


# --- which network ---------------------------------------------------------------------------------------------------


def test_best_comes_before_the_newest_and_the_newest_is_of_the_highest_step(tmp_path, network):
    for step in (90, 400, 1000):
        write_run(tmp_path / "checkpoint", network, step)
    images = write_images(tmp_path / "images", {"a.png": (32, 32)})
    maps = predicted(tmp_path, "--images", images)
    assert json.loads((maps / "prediction.json").read_text())["checkpoint"].endswith("checkpoint1000.pth")
    shutil.copy(tmp_path / "checkpoint" / "checkpoint90.pth", tmp_path / "checkpoint" / "best.pth")
    maps = predicted(tmp_path, "--images", images, "--overwrite")
    assert json.loads((maps / "prediction.json").read_text())["checkpoint"].endswith("best.pth")


def test_without_options_json_the_error_names_what_replaces_it(tmp_path, run_folder, custom_set, capsys):
    expected = predicted(tmp_path, "--images", custom_set.folder / "images", out="expected")
    (run_folder / "options.json").unlink()
    checkpoint = run_folder / "checkpoint400.pth"
    argv = ["--checkpoint", checkpoint, "--images", custom_set.folder / "images", "--save-dir", tmp_path / "maps"]
    capsys.readouterr()
    line = error_line(capsys, 2, predict.main, [str(part) for part in argv])
    assert all(text in line for text in ("options.json", "--backbone and --dataset", "--data-dir"))
    line = error_line(capsys, 2, predict.main, [str(part) for part in [*argv, "--backbone", "tiny"]])
    assert "give --dataset" in line
    given = ["--backbone", "tiny", "--dataset", "custom", "--data-dir", custom_set.folder]
    line = error_line(capsys, 2, predict.main, [str(part) for part in [*argv, *given]])
    assert "--input-size" in line  # this data set's description has no tile size
    assert not (tmp_path / "maps").exists()
    maps = predicted(tmp_path, *argv[:4], *given, "--input-size", "32,32")
    for name in custom_set.names:
        file = f"ids/{name}.png"
        np.testing.assert_array_equal(read_ids(maps / file), read_ids(expected / file))


def test_a_built_in_data_set_replaces_options_json_without_its_folder(tmp_path):
    torch.save(DeepLabV2(18, "tiny").state_dict(), tmp_path / "checkpoint1.pth")
    image = write_image(tmp_path / "a.png", picture(0, (30, 40)))
    options = ["--checkpoint", tmp_path / "checkpoint1.pth", "--backbone", "tiny", "--dataset", "UCM"]
    maps = predicted(tmp_path, *options, "--images", image)
    record = json.loads((maps / "prediction.json").read_text())
    assert record["window"] == [256, 256]
    assert record["classes"][1] == "airplane"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"backbone": "resnet7"}, "resnet7"),
        ({"classes": "field"}, "`classes`"),
        ({"classes": ["field", "forest"]}, "checkpoint400.pth"),  # the file has three
        ({"colours": [[0, 0, 300]] * 3}, "`colours`"),
        ({"colours": [[0, 0, 0]]}, "`colours`"),
        ({"tile_size": [0, 32]}, "`tile_size`"),
        ({"normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1]}}, "`normalisation`"),
    ],
)
def test_a_damaged_options_json_is_refused(tmp_path, network, capsys, record, expected):
    facts = {"classes": record["classes"], "colours": None} if "classes" in record else record
    write_run(tmp_path / "checkpoint", network, **(facts | record))
    image = write_image(tmp_path / "a.png", picture(0, (32, 32)))
    argv = ["--checkpoint-dir", tmp_path / "checkpoint", "--images", image, "--save-dir", tmp_path / "maps"]
    line = error_line(capsys, 1, predict.main, [str(part) for part in argv])
    assert expected in line
    assert not (tmp_path / "maps").exists()


# --- images that cannot be read, folders that are taken --------------------------------------------------------------


def test_unreadable_images_are_named_and_skipped(tmp_path, run_folder, capsys):
    images = write_images(tmp_path / "images", {"a.png": (32, 32), "b.png": (32, 32), "c.png": (32, 32)})
    (images / "b.png").write_bytes((images / "b.png").read_bytes()[:60])
    (images / "d.tif").write_bytes(b"")
    maps = predicted(tmp_path, "--images", images, code=4)
    assert [row["image"] for row in rows_of(maps)] == ["a", "c"]
    errors = capsys.readouterr().err
    assert f"warning: {images / 'b.png'}" in errors
    assert f"warning: {images / 'd.tif'}" in errors
    assert "skipped 2 images: b, d" in errors


def test_a_missing_tile_of_a_list_is_skipped(tmp_path, run_folder, custom_set, capsys):
    write_list(custom_set.list_path, [*custom_set.names, "nosuch"])
    maps = predicted(tmp_path, *list_options(custom_set), code=4)
    assert len(rows_of(maps)) == len(custom_set.names)
    assert "nosuch" in capsys.readouterr().err


def test_no_readable_image_is_an_error(tmp_path, run_folder, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"text")
    maps = predicted(tmp_path, "--images", tmp_path / "images", code=1)
    assert "none of the 1 images" in capsys.readouterr().err
    assert not (maps / "class_shares.csv").exists()


def test_images_of_one_name_keep_their_endings(tmp_path, run_folder):
    sizes = {"a.png": (32, 32), "a.tif": (20, 20), "A.bmp": (24, 24), "b.png": (28, 28), "a.tif.png": (30, 30)}
    maps = predicted(tmp_path, "--images", write_images(tmp_path / "images", sizes))
    written = {path.name: read_ids(path).shape for path in (maps / "ids").iterdir()}
    assert written == {f"{name}.png": size for name, size in sizes.items()}
    assert sorted(row["image"] for row in rows_of(maps)) == sorted(sizes)


def test_an_earlier_prediction_is_replaced_only_when_asked(tmp_path, run_folder, capsys):
    images = write_images(tmp_path / "images", {"a.png": (32, 32), "b.png": (32, 32)})
    maps = predicted(tmp_path, "--images", images)
    before = contents(maps)
    capsys.readouterr()
    argv = ["--checkpoint-dir", run_folder, "--images", images / "a.png", "--save-dir", maps]
    assert "--overwrite" in error_line(capsys, 2, predict.main, [str(part) for part in argv])
    assert contents(maps) == before
    predicted(tmp_path, "--images", images / "a.png", "--ids-only", "--overwrite")
    left = sorted(str(path.relative_to(maps)) for path in maps.rglob("*") if path.is_file())
    assert left == ["class_shares.csv", "ids/a.png", "prediction.json"]


def test_files_of_others_are_never_replaced(tmp_path, run_folder, capsys):
    images = write_images(tmp_path / "images", {"a.png": (32, 32)})
    mine = write_image(tmp_path / "maps" / "colour" / "mine.png", picture(0, (8, 8)))
    argv = ["--checkpoint-dir", run_folder, "--images", images, "--save-dir", tmp_path / "maps", "--overwrite"]
    assert "not by this command" in error_line(capsys, 2, predict.main, [str(part) for part in argv])
    assert mine.is_file()


# --- usual mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (["--images", "nowhere"], 2, "--images nowhere does not exist"),
        (["--images", "empty"], 1, "holds no images"),
        ([], 2, "--images --data-list"),
        (["--images", "images", "--data-list", "list.txt"], 2, "not allowed with"),
        (["--data-list", "list.txt"], 2, "needs --dataset and --data-dir"),
        (["--data-list", "list.txt", "--dataset", "ucm", "--data-dir", "images", "--scale", "2"], 2, "--scale is for"),
        (["--data-list", "list.txt", "--dataset", "ucm", "--data-dir", "images"], 2, "classes"),
        (["--images", "images", "--dataset", "custom"], 2, "--data-dir"),
        (["--images", "images", "--save-dir", "images/maps"], 2, "lies in --images"),
        (["--images", "images", "--checkpoint-dir", "empty"], 2, "neither best.pth nor"),
        (["--images", "images", "--checkpoint-dir", "nowhere"], 2, "not a folder"),
        (["--images", "images", "--checkpoint", "nowhere.pth"], 2, "--checkpoint nowhere.pth is no file"),
        (["--images", "images", "--backbone", "resnet50"], 1, "ResNet"),
        (["--images", "images", "--overlap", "1"], 2, "at most 0.9"),
        (["--images", "images", "--scale", "0"], 2, "above 0"),
        (["--images", "images", "--input-size", "32"], 2, "height,width"),
    ],
)
def test_mistakes(tmp_path, run_folder, monkeypatch, capsys, options, code, expected):
    write_images(tmp_path / "images", {"a.png": (32, 32)})
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert expected in error_line(capsys, code, predict.main, [*options, "--device", "cpu"])
    assert not (tmp_path / "predictions").exists()


# --- orientation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 0.5])
def test_maps_of_a_turned_image_are_turned_with_it(tmp_path, run_folder, scale):
    stored = picture(0, (32, 48))
    write_image(tmp_path / "images" / "a.jpg", stored, exif=orientation(6), quality=100)
    write_image(tmp_path / "upright" / "a.png", np.rot90(read_image(tmp_path / "images" / "a.jpg", exif="ignore"), -1))
    maps = predicted(tmp_path, "--images", tmp_path / "images", "--scale", scale)
    expected = predicted(tmp_path, "--images", tmp_path / "upright", "--scale", scale, out="expected")
    assert [(row["height"], row["width"]) for row in rows_of(maps)] == [("48", "32")]
    for kind in ("ids", "overlay"):
        np.testing.assert_array_equal(read_image(maps / kind / "a.png"), read_image(expected / kind / "a.png"))
    as_stored = predicted(tmp_path, "--images", tmp_path / "images", "--exif", "ignore", out="stored")
    assert read_ids(as_stored / "ids" / "a.png").shape == (32, 48)


@pytest.mark.parametrize(("exif", "shape"), [("apply", (48, 32)), ("ignore", (32, 48))])
@pytest.mark.parametrize("tile_size", [None, 32])
def test_maps_of_a_list_follow_the_description(tmp_path, run_folder, exif, shape, tile_size):
    tiny = write_custom(tmp_path / "custom", 1, size=(32, 48), version=2, exif=exif, tile_size=tile_size)
    write_image(tiny.folder / "images" / "tile0.png", picture(0, (32, 48)), exif=orientation(8))
    (tiny.folder / "masks" / "tile0.png").unlink()
    data = ["--dataset", "custom", "--data-dir", tiny.folder, "--data-list", tiny.list_path]
    maps = predicted(tmp_path, *data)
    assert read_ids(maps / "ids" / "tile0.png").shape == shape
    assert read_image(maps / "overlay" / "tile0.png").shape[:2] == shape
    assert read_ids(predicted(tmp_path, *data, "--exif", "ignore", out="stored") / "ids" / "tile0.png").shape == (
        32,
        48,
    )


# --- Networks that say nothing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_that_is_not_finite_makes_no_maps(tmp_path, run_folder, network, capsys, value):
    weights = network.state_dict() | {"head.0.bias": torch.full((3,), value)}
    torch.save(weights, run_folder / "checkpoint400.pth")
    write_images(tmp_path / "images", {"a.png": (32, 32)})
    predicted(tmp_path, "--images", tmp_path / "images", code=1)
    assert "1 of " in (said := capsys.readouterr().err)
    assert "NaN or infinite values (head.0.bias)" in said
    assert not (tmp_path / "maps").exists()


def test_maps_that_are_not_finite_are_not_written(tmp_path, run_folder, network, capsys):
    weights = {n: v.sign() * 3e38 if n.startswith("head.") else v for n, v in network.state_dict().items()}
    torch.save(weights, run_folder / "checkpoint400.pth")
    write_images(tmp_path / "images", {"a.png": (32, 32)})
    predicted(tmp_path, "--images", tmp_path / "images", code=1)
    assert "the network's output is NaN or infinite" in capsys.readouterr().err
    assert not list((tmp_path / "maps").rglob("*.png"))


def test_a_class_that_was_not_learned_is_named_as_such(tmp_path, network, capsys):
    write_run(tmp_path / "checkpoint", network, options={"ignore_label": 1})
    write_images(tmp_path / "images", {"a.png": (32, 32)})
    out = predicted(tmp_path, "--images", tmp_path / "images")
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("(not learned: --ignore-label 1 in training)") for line in lines[:3]] == [False, True, False]
    assert json.loads((out / "prediction.json").read_text())["ignore_label"] == 1
