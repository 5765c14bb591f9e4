"""Tiles, a run that nothing interrupts, and how the active learner is run and its results are read."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import TinySet, write_custom, write_list
from tools import train_AL
from utils.selection import results

TILES = 18
AUGMENTED = ("--random-scale", "--random-mirror")


@pytest.fixture(scope="session")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> TinySet:
    """18 tiles of 32×32, dry and wet in turn; lists of all, of the first 14 and of the last 4."""
    tiny = write_custom(tmp_path_factory.mktemp("tiles"), TILES)
    write_list(tiny.folder / "train.txt", tiny.names[:14])
    write_list(tiny.folder / "val.txt", tiny.names[14:])
    return tiny


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take most of a tiny run's time; `uninterrupted`, which is made before, has them."""
    monkeypatch.setattr(results, "save_bars", lambda *_: None)
    monkeypatch.setattr(results, "plot_curves", lambda *_, **__: None)


@pytest.fixture
def own_tiles(tiles: TinySet, tmp_path: Path) -> TinySet:
    """The same tiles in a folder that a test may change."""
    shutil.copytree(tiles.folder, tmp_path / "tiles", ignore=shutil.ignore_patterns(".cache"))
    return TinySet(tiles.dataset, tmp_path / "tiles", tmp_path / "tiles" / "all.txt", tiles.names)


def options(tiles: TinySet, out: Path, *flags: object, **changes: object) -> list[str]:
    """Two rounds of two, after an initial pool of two."""
    settings = {
        "dataset": "custom", "data_dir": tiles.folder, "data_list": tiles.folder / "train.txt", "save_dir": out,
        "query_strategy": "margin", "labeled_ratio": "0.25", "alpha": "0.5", "beta": "1",
        "model_name": "tiny", "num_epochs": 2, "batch_size": 2, "score_batch_size": 3, "input_size": "32,32",
        "learning_rate": "0.01", "device": "cpu", "precision": "fp32", "num_workers": 0,
    } | changes  # fmt: skip
    given = [str(part) for name, value in settings.items() if value is not None for part in (f"--{name}", value)]
    return [*given, *(str(flag) for flag in flags)]


def run(argv: list[str], code: int = 0) -> None:
    assert train_AL.main(argv) == code


def names_of(out: Path, strategy: str = "margin", settings: str = "0.25_0.5_1") -> list[str]:
    return np.load(out / "custom" / f"{strategy}_names_{settings}.npy", allow_pickle=False).tolist()


def unfinished_names_of(out: Path) -> list[str]:
    return np.load(folder_of(out) / "margin_names_0.25_0.5_1.partial.npy", allow_pickle=False).tolist()


def folder_of(out: Path, strategy: str = "margin", settings: str = "0.25_0.5_1") -> Path:
    return out / "custom" / f"{strategy}_{settings}_seed360"


def record_of(out: Path, *settings: str) -> dict[str, Any]:
    return json.loads((folder_of(out, *settings) / "selection.json").read_text())


def error_of(capsys: pytest.CaptureFixture[str], argv: list[str], code: int) -> str:
    run(argv, code)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def true_classes(names: list[str]) -> list[str]:
    return [("dry", "wet")[int(name.removeprefix("tile")) % 2] for name in names]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def fill_in(path: Path, note: str = "") -> int:
    """Label as a person would, with a column of notes; returns the number of labels written."""
    rows = rows_of(path)
    waiting = [row for row in rows if not row["label"]]
    for row in waiting:
        (row["label"],) = true_classes([row["name"]])
        row["note"] = note
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # as Excel saves it
        writer = csv.DictWriter(file, ["name", "label", "predicted", "score", "note"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(waiting)


@pytest.fixture(scope="module")
def uninterrupted(tiles: TinySet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a validation list and augmentation, whose selection interrupted ones have to repeat."""
    out = tmp_path_factory.mktemp("uninterrupted")
    run(options(tiles, out, *AUGMENTED, val_list=tiles.folder / "val.txt"))
    return out
