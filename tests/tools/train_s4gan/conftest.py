"""Tiles, a run that nothing interrupts, and how s4GAN's trainer is run and its results are read."""

import csv
import io
import math
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model import training
from model.training import TrainingRun
from tests.conftest import TinySet
from tools import train_s4gan

TIMES = {"wait_ms", "images_per_s"}  # columns of metrics.csv that no run repeats
STEPS = 7


@pytest.fixture
def own_tiles(training_tiles: TinySet, tmp_path: Path) -> TinySet:
    """The same tiles in a folder that a test may change."""
    shutil.copytree(training_tiles.folder, tmp_path / "tiles", ignore=shutil.ignore_patterns(".cache"))
    return TinySet(training_tiles.dataset, tmp_path / "tiles", tmp_path / "tiles" / "all.txt", training_tiles.names)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of a tiny run's time."""
    monkeypatch.setattr(training, "plot_curves", lambda *_, **__: None)
    monkeypatch.setattr(TrainingRun, "_save_panels", lambda *_: None)


def options(tiles: TinySet, out: Path, *flags: object, **changes: object) -> list[str]:
    """Two steps on three labelled and seven other tiles, with self-training from the first one."""
    settings = {
        "dataset": "custom", "data_dir": tiles.folder, "data_list": tiles.folder / "train.txt", "checkpoint_dir": out,
        "backbone": "tiny", "restore_from": "none", "labeled_ratio": "0.3", "threshold_st": "0.4", "st_start": 0,
        "num_steps": 2, "batch_size": 2, "input_size": "32,32", "save_pred_every": 1, "log_every": 1,
        "device": "cpu", "precision": "fp32", "num_workers": 0,
    } | changes  # fmt: skip
    given = [str(part) for name, value in settings.items() if value is not None for part in (f"--{name}", value)]
    return [*given, *(str(flag) for flag in flags)]


def run(argv: list[str], code: int = 0) -> None:
    assert train_s4gan.main(argv) == code


def rows_of(out: Path) -> list[dict[str, str]]:
    """Lines of metrics.csv, without what a clock wrote into them."""
    with (out / "metrics.csv").open() as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def networks_of(out: Path, step: int) -> dict[str, Tensor]:
    files = [out / f"checkpoint{step}.pth", out / f"checkpoint{step}_D.pth"]
    return {f"{f.name}:{k}": v for f in files for k, v in torch.load(f, weights_only=True).items()}


def numbers_of(out: Path, column: str) -> list[float]:
    return [float(row[column]) for row in rows_of(out)]


def assert_learns(out: Path) -> None:
    """Every number is finite, and so is every weight."""
    assert all(math.isfinite(float(value)) for row in rows_of(out) for value in row.values() if value)
    networks = [torch.load(path, weights_only=True) for path in out.glob("checkpoint*.pth")]
    assert networks
    assert all(torch.isfinite(tensor).all() for network in networks for tensor in network.values())


def at_call(moment: int, number: signal.Signals) -> Callable[[], None]:
    """A function that sends its own process a signal at the call of this number."""
    calls = iter(range(1, 10**6))

    def call() -> None:
        if next(calls) == moment:
            os.kill(os.getpid(), number)

    return call


def argv_of(tiles: TinySet, out: Path, *flags: object, **changes: object) -> list[str]:
    """Seven steps: checkpoints at 2, 4, 6 and 7, states at 3, 6 and 7, validation at 2, 4, 6 and 7."""
    every = {"num_steps": STEPS, "save_pred_every": 2, "save_state_every": 3, "eval_every": 2}
    augmented = ("--random-scale", "--random-mirror", *flags)
    return options(tiles, out, *augmented, **(every | {"val_list": tiles.folder / "val.txt"} | changes))


@pytest.fixture(scope="module")
def uninterrupted(training_tiles: TinySet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that interrupted ones have to repeat."""
    out = tmp_path_factory.mktemp("uninterrupted")
    run(argv_of(training_tiles, out))
    return out


def assert_same_run(out: Path, expected: Path) -> None:
    """All weights, optimisers, random states, scores and logged numbers are bit-identical."""
    files = sorted(path.name for path in expected.glob("*.pth"))
    assert sorted(path.name for path in out.glob("*.pth")) == files
    assert not list(out.glob(".*"))
    for name in files:
        saved, whole = (torch.load(folder / name, weights_only=True) for folder in (out, expected))
        assert_equal(saved, whole, name)
    assert rows_of(out) == rows_of(expected)
    assert (out / "labelled_names.txt").read_text() == (expected / "labelled_names.txt").read_text()


def assert_equal(value: Any, expected: Any, name: str) -> None:
    assert type(value) is type(expected), name
    if isinstance(value, torch.Tensor):
        assert torch.equal(value, expected), name
    elif isinstance(value, dict):
        assert value.keys() == expected.keys(), name
        for key in value:
            assert_equal(value[key], expected[key], f"{name}: {key}")
    elif isinstance(value, list):
        assert len(value) == len(expected), name
        for number, (part, whole) in enumerate(zip(value, expected, strict=True)):
            assert_equal(part, whole, f"{name}: {number}")
    else:
        assert value == expected, name


def half_written(moment: int, then: Callable[[], None]) -> Callable[..., None]:
    """A `torch.save` that at its call of this number writes half a file to the disk, and then something happens."""
    save, calls = torch.save, iter(range(1, 10**6))

    def write(state: Any, file: Any) -> None:
        if next(calls) != moment:
            return save(state, file)
        save(state, buffer := io.BytesIO())
        file.write(buffer.getvalue()[: buffer.tell() // 2])
        file.flush()
        return then()

    return write
