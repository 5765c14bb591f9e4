"""What goes wrong, and what a run says of itself: losses that break, memory, the disk, its pace."""

import csv
import itertools
import json
import math
import re
import signal
from pathlib import Path

import pytest
import torch

from data.batches.samplers import EndlessBatches
from model import training
from model.methods.method import Method
from model.methods.s4gan import S4GAN
from model.training import TrainingRun
from tests.conftest import TinySet, error_line
from tests.tools.train_AL.interruptions import before
from tests.tools.train_s4gan.conftest import at_call, options, run
from tools import train_s4gan
from utils.runs.pace import Pace


def test_a_network_that_the_last_update_has_spoilt_is_not_kept(
    training_tiles: TinySet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The loss of step 2 is finite, the weights after it are not."""
    steps = iter((1, 2))

    def spoil(method: Method) -> None:
        original(method)
        if next(steps) == 2:
            next(method.generator.parameters()).data.fill_(math.nan)

    original = Method._step_generator
    monkeypatch.setattr(Method, "_step_generator", spoil)
    out = tmp_path / "run"
    flags = options(training_tiles, out, "--supervised-only", val_list=training_tiles.folder / "val.txt", eval_every=1)
    line = error_line(capsys, 1, train_s4gan.main, flags)
    assert "NaN or infinite values in 1 tensors (backbone." in line
    assert "after step 2" in line
    assert f"the last good checkpoint is {out / 'checkpoint1.pth'}" in line
    assert not (out / "checkpoint2.pth").exists()
    assert all(value.isfinite().all() for value in torch.load(out / "best.pth", weights_only=True).values())


def test_losses_that_are_not_finite_end_the_run(training_tiles: TinySet, tmp_path: Path, capsys):
    """The first step's rate breaks the second one, which is found at the fourth, before anything is written."""
    changes = {"learning_rate": "1e30", "num_steps": 8, "log_every": 4, "save_pred_every": 4, "eval_every": 4}
    argv = options(training_tiles, tmp_path / "run", val_list=training_tiles.folder / "val.txt", **changes)
    line = error_line(capsys, 1, train_s4gan.main, argv)
    labelled = (tmp_path / "run" / "labelled_names.txt").read_text().split()
    draws = {
        "labelled": EndlessBatches(labelled, 2, 5000, "labelled"),
        "unlabelled": EndlessBatches(
            [n for n in training_tiles.names[:10] if n not in labelled], 2, 5000, "unlabelled"
        ),
    }
    names = {stream: ", ".join(draw.tile for draw in batches.batch(1)) for stream, batches in draws.items()}
    assert f"the losses of step 2 were not finite (tiles: labelled {names['labelled']}; " in line
    assert f"unlabelled {names['unlabelled']}); lower --learning-rate" in line
    assert [path.name for path in (tmp_path / "run").glob("*.pth")] == ["last.pth"]
    assert saved_step(tmp_path / "run") == 0


def test_the_last_good_checkpoint_is_named(training_tiles: TinySet, tmp_path: Path, capsys):
    line = error_line(capsys, 1, train_s4gan.main, options(training_tiles, tmp_path / "run", learning_rate="1e30"))
    assert "the losses of step 2 were not finite" in line
    assert f"the last good checkpoint is {tmp_path / 'run' / 'checkpoint1.pth'}; lower" in line
    assert [path.name for path in (tmp_path / "run").glob("checkpoint*[0-9].pth")] == ["checkpoint1.pth"]


def saved_step(folder: Path) -> int:
    return int(torch.load(folder / "last.pth", weights_only=True)["step"])


def test_a_broken_run_that_is_asked_to_end_keeps_the_state_it_began_with(
    training_tiles: TinySet, tmp_path: Path, monkeypatch, capsys
):
    ask = before(TrainingRun.after_step, at_call(3, signal.SIGTERM))
    monkeypatch.setattr(TrainingRun, "after_step", ask)
    changes = {"learning_rate": "1e30", "num_steps": 8, "log_every": 8, "save_pred_every": 8}
    line = error_line(capsys, 1, train_s4gan.main, options(training_tiles, tmp_path / "run", **changes))
    assert "the losses of step 2 were not finite" in line
    assert saved_step(tmp_path / "run") == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried …"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_which_options_to_change(
    training_tiles: TinySet, tmp_path: Path, monkeypatch, capsys, error
):
    def step(*_: object) -> None:
        raise error

    monkeypatch.setattr(S4GAN, "train_step", step)
    line = error_line(capsys, 1, train_s4gan.main, options(training_tiles, tmp_path / "run"))
    assert line.endswith("ran out of memory; lower --batch-size or --input-size, or raise --accumulate")


def test_an_error_of_the_code_is_not_taken_for_one_of_memory(
    training_tiles: TinySet, tmp_path: Path, monkeypatch, capsys
):
    def step(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(S4GAN, "train_step", step)
    line = error_line(capsys, 1, train_s4gan.main, options(training_tiles, tmp_path / "run"))
    assert "a fault of this program, not of its input (RuntimeError: mat1 and mat2" in line


def test_a_run_says_what_it_asks_of_the_disk(training_tiles: TinySet, tmp_path: Path, capsys):
    run(options(training_tiles, tmp_path / "run", num_steps=3))
    (line,) = [text for text in capsys.readouterr().out.splitlines() if text.startswith("checkpoints of ")]
    size = sum((tmp_path / "run" / f"checkpoint3{network}.pth").stat().st_size for network in ("", "_D")) / 1e6
    found = re.fullmatch(
        r"checkpoints of ([\d.]+) MB every [\d.]+ s: ([\d.]+) [kMG]B/s; training waited [\d.]+ s for the disk", line
    )
    assert found is not None, line
    assert float(found[1]) == pytest.approx(size, rel=0.05)
    assert float(found[2]) > 0
    record = json.loads((tmp_path / "run" / "options.json").read_text())
    assert (record["version"], record["method"], record["machine"]["tf32"]) == (2, "s4gan", False)


def test_images_a_second_are_those_that_are_done(training_tiles: TinySet, tmp_path: Path, monkeypatch):
    """A clock that ticks once between two readings of the device, of which there are two for each line of the log."""
    monkeypatch.setattr(training, "Pace", lambda: Pace(itertools.count().__next__))
    run(options(training_tiles, tmp_path / "run", num_steps=6, log_every=3, save_pred_every=2))
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert [row["images_per_s"] for row in csv.DictReader(file)] == ["6", "6"]  # 3 steps of 2 + 2 images in 2 ticks
