"""Tiny data sets in the layouts of the real ones, commands run on them, and one thread for every test."""

import importlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import hypothesis
import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from data.demo.demo_set import SCENE_PAINTERS, draw_scene
from data.descriptions import DEEPGLOBE

hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None, max_examples=60, database=None)
hypothesis.settings.load_profile("seeded")
pytest.register_assert_rewrite("tests.plain_s4gan", "tests.weight_writers")  # what failed, as in test files


@pytest.fixture(autouse=True, scope="session")
def fast_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.environ["GDAL_NUM_THREADS"] = "1"  # GDAL keeps its threads, without which forked processes would wait forever
    # At its first backward pass autograd makes threads for devices that are there; with such threads no process forks.
    torch.zeros(1, requires_grad=True).sum().backward()
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class TinySet:
    """A data set on disk: its `--dataset`, its folder, the list of all its tiles and their names."""

    dataset: str
    folder: Path
    list_path: Path
    names: list[str]


def write_image(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    """Save (H, W) or RGB (H, W, 3) pixels in the format of the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def orientation(number: int) -> Image.Exif:
    """EXIF data that say how to turn a picture, 1 to 8."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    return exif


def write_list(path: Path, names: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))
    return path


def patches(seed: int, size: tuple[int, int], values: Sequence[int], patch: int = 8) -> np.ndarray:
    """Square patches of values drawn at random, uint8, shape `size`."""
    rows, columns = -(-size[0] // patch), -(-size[1] // patch)
    drawn = np.random.default_rng(seed).choice(np.array(values, np.uint8), (rows, columns))
    return drawn.repeat(patch, 0).repeat(patch, 1)[: size[0], : size[1]]


def picture(seed: int, size: tuple[int, int]) -> np.ndarray:
    """A picture of coloured patches, RGB, uint8."""
    return np.stack([patches(3 * seed + channel, size, range(256)) for channel in range(3)], axis=-1)


def write_ucm(
    folder: Path, classes: Sequence[str] = ("forest", "river"), per_class: int = 2, size: tuple[int, int] = (256, 256)
) -> TinySet:
    """Tiles named by class, images as TIFF, masks with ids 1..17."""
    names = [f"{name}{number:02d}" for name in classes for number in range(per_class)]
    for seed, name in enumerate(names):
        write_image(folder / "UCMerced_Images" / f"{name}.tif", picture(seed, size))
        write_image(folder / "UCMerced_Labels" / f"{name}.png", patches(seed, size, range(1, 18), patch=32))
    return TinySet("ucm", folder, write_list(folder / "all.txt", names), names)


def write_deepglobe(folder: Path, count: int = 4, size: tuple[int, int] = (64, 64)) -> TinySet:
    """Tiles named by number, images as JPEG, masks in DeepGlobe's colours, `class_map.json`."""
    names = [str(100 + number) for number in range(count)]
    colours = np.array(DEEPGLOBE.palette, np.uint8)
    scene_classes = DEEPGLOBE.scene_classes or ()
    for seed, name in enumerate(names):
        write_image(folder / "DeepGlobe_Images" / f"{name}_sat.jpg", picture(seed, size))
        mask = colours[patches(seed, size, range(len(colours)), patch=16)]
        write_image(folder / "DeepGlobe_Labels" / f"{name}_mask.png", mask)
    scenes = {name: scene_classes[number % len(scene_classes)] for number, name in enumerate(names)}
    (folder / "class_map.json").write_text(json.dumps(scenes))
    return TinySet("deepglobe", folder, write_list(folder / "all.txt", names), names)


CUSTOM = {
    "version": 1,
    "name": "tiny",
    "images": "images/{name}.png",
    "masks": "masks/{name}.png",
    "classes": ["field", "forest", "water"],
    "palette": None,
    "scene_classes": ["dry", "wet"],
    "scene_labels": "scene_labels.csv",
}
PALETTE = {"field": "#102030", "forest": "#405060", "water": "#708090"}
COLOURS = np.array([[0x10, 0x20, 0x30], [0x40, 0x50, 0x60], [0x70, 0x80, 0x90]], np.uint8)


def write_custom(folder: Path, count: int = 4, size: tuple[int, int] = (32, 32), **description: Any) -> TinySet:
    """Tiles with masks of ids 0..2, scene labels in a CSV and a `dataset.json` with further keys as given."""
    names = [f"tile{number}" for number in range(count)]
    for seed, name in enumerate(names):
        write_image(folder / "images" / f"{name}.png", picture(seed, size))
        write_image(folder / "masks" / f"{name}.png", patches(seed, size, range(3)))
    (folder / "dataset.json").write_text(json.dumps(CUSTOM | description))
    rows = "".join(f"{name},{('dry', 'wet')[number % 2]}\n" for number, name in enumerate(names))
    (folder / "scene_labels.csv").write_text("name,label\n" + rows)
    return TinySet("custom", folder, write_list(folder / "all.txt", names), names)


def write_overlapping(folder: Path, crs: str | None = None, **description: Any) -> TinySet:
    """Four tiles of 32×32 of one scene of 48×48, whose middle third is forest and the rest field; and `tiles.csv`.

    It also has the record of a tile of another list, which overlaps them all.

    Args:
        folder: the set's.
        crs: in which the scene lies, with pixels of half a metre; None: it has no place.
        description: further keys of its `dataset.json`.
    """
    from data.footprints.records import TileRecord, write_tiles_csv  # with GDAL

    tiny, scene, records = write_custom(folder, 4, **description), np.zeros((48, 48), np.uint8), []
    scene[16:32] = 1
    places = zip([*tiny.names, "other"], ((0, 0), (0, 16), (16, 0), (16, 16), (8, 8)), strict=True)
    for name, (row, column) in places:
        transform = (0.5, 0.0, 300_000 + column / 2, 0.0, -0.5, 2_800_000 - row / 2) if crs else None
        records.append(TileRecord(name, "scene", row, column, 32, 32, crs, transform))
        if name in tiny.names:
            write_image(folder / "masks" / f"{name}.png", scene[row : row + 32, column : column + 32])
    write_tiles_csv(folder / "tiles.csv", records)
    return tiny


@pytest.fixture
def ucm_set(tmp_path: Path) -> TinySet:
    """Four tiles of 256×256 in two scene classes."""
    return write_ucm(tmp_path / "ucm")


@pytest.fixture
def deepglobe_set(tmp_path: Path) -> TinySet:
    """Four tiles of 64×64, brought to 320×320 by their description."""
    return write_deepglobe(tmp_path / "deepglobe")


@pytest.fixture
def custom_set(tmp_path: Path) -> TinySet:
    """Four tiles of 32×32 with three pixel classes and two scene classes."""
    return write_custom(tmp_path / "custom")


@pytest.fixture
def coloured_set(tmp_path: Path) -> TinySet:
    """The custom set with masks of three colours."""
    tiny = write_custom(tmp_path / "coloured", palette=PALETTE)
    for seed, name in enumerate(tiny.names):
        write_image(tiny.folder / "masks" / f"{name}.png", COLOURS[patches(seed, (32, 32), range(3))])
    return tiny


@pytest.fixture(scope="session")
def training_tiles(tmp_path_factory: pytest.TempPathFactory) -> TinySet:
    """14 tiles of 32×32 in three classes, for tests that only read them; lists of the first 10 and of the last 4."""
    tiny = write_custom(tmp_path_factory.mktemp("tiles"), 14)
    write_list(tiny.folder / "train.txt", tiny.names[:10])
    write_list(tiny.folder / "val.txt", tiny.names[10:])
    return tiny


@pytest.fixture(scope="session")
def demo_tiles() -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """Three tiles of every scene of the demo set, seed 0: {(scene, number): (image, mask)}."""
    return {
        (scene, number): draw_scene(scene, np.random.default_rng((0, index, number)))
        for index, scene in enumerate(SCENE_PAINTERS)
        for number in range(3)
    }


# --- Commands ---------------------------------------------------------------------------------------------------------

PUBLISHED = ("train_AL", "train_s4gan", "auto_evaluate")


def main_of(command: str) -> Callable[[list[str]], int]:
    """`main` of a file in tools/, imported when asked for: the commands take two seconds that most tests need not."""
    return importlib.import_module(f"tools.{command}").main


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on the custom set: a tiny generator and discriminator after step 1."""
    from model.networks.deeplabv2 import DeepLabV2  # as late as the commands
    from model.networks.discriminator import Discriminator

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
def accepted(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that has to succeed; returns what it says on stderr."""

    def run(command: str, options: list[str]) -> str:
        assert main_of(command)(options) == 0
        return capsys.readouterr().err

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Run a command that has to fail; returns its line, after a look that no file came, went or changed."""

    def run(code: int, command: str, options: list[str]) -> str:
        before = contents(tmp_path)
        line = error_line(capsys, code, main_of(command), options)
        assert contents(tmp_path) == before
        return line

    return run


# --- Commands that are refused ----------------------------------------------------------------------------------------


def error_line(capsys: pytest.CaptureFixture[str], code: int, main: Callable[[list[str]], int], argv: list[str]) -> str:
    """The one line on stderr, warnings aside, of a command that has to end with `code`."""
    assert main(argv) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


def contents(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of every file below a folder but whole cache entries: what a refused command leaves as it was."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.parent.parent.name != ".cache"]
    files += folder.rglob(".cache/.*")  # of an entry that was not finished
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}
