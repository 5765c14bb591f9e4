"""s4GAN's trainer in several processes: they learn what one does, and end together."""

import csv
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from model.methods import s4gan
from model.networks.discriminator import Discriminator
from model.training import TrainingRun
from tests.conftest import TinySet
from tests.tools.train_AL.interruptions import before
from tests.tools.train_s4gan.conftest import at_call, networks_of, options, rows_of, run
from tests.utils.compute.test_distributed import in_processes
from tools import auto_evaluate, train_s4gan

ENDLESS = {"num_steps": 1000, "save_pred_every": 1000}  # ended by the test, with space for one checkpoint


def test_two_processes_learn_what_one_does(training_tiles: TinySet, tmp_path: Path, no_dropout: None):
    changes = {"val_list": training_tiles.list_path, "eval_every": 1, "batch_size": 4}  # four batches to validate on
    flags = ("--freeze-bn", "--random-scale", "--random-mirror", "--save-viz", "--save-after-iter", 0)
    for out in ("one", "two"):
        argv = options(training_tiles, tmp_path / out, *flags, generator_viz_dir=tmp_path / f"{out}-viz", **changes)
        if out == "one":
            run(argv)
        else:
            assert in_processes(2, lambda argv=argv: train_s4gan.main(argv)) == [0, 0]
    one, two = (networks_of(tmp_path / out, 2) for out in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-6, msg=name)
    for row, expected in zip(rows_of(tmp_path / "two"), rows_of(tmp_path / "one"), strict=True):
        assert {n: float(v) for n, v in row.items() if v} == pytest.approx(
            {n: float(v) for n, v in expected.items() if v}, rel=1e-4, abs=1e-6
        )
    maps = sorted(path.name for path in (tmp_path / "one-viz").iterdir())
    assert maps
    assert maps == sorted(path.name for path in (tmp_path / "two-viz").iterdir())


def test_two_processes_validate_the_network_that_is_saved(training_tiles: TinySet, tmp_path: Path):
    """Each collects statistics of its own share in BatchNorm; those of the main process are saved, and so scored."""
    changes = {"val_list": training_tiles.list_path, "eval_every": 2, "bn_momentum": "0.9", "learning_rate": "0.01"}
    argv = options(training_tiles, tmp_path / "run", **changes)
    assert in_processes(2, lambda: train_s4gan.main(argv)) == [0, 0]
    evaluation = {
        "dataset": "custom", "data_dir": training_tiles.folder, "data_list": training_tiles.list_path,
        "checkpoint_dir": tmp_path / "run", "save_dir": tmp_path / "scores", "start_eval": 2, "end_eval": 2,
        "step_eval": 1, "input_size": "32,32", "device": "cpu", "precision": "fp32",
    }  # fmt: skip
    assert auto_evaluate.main([str(part) for name, value in evaluation.items() for part in (f"--{name}", value)]) == 0
    with (tmp_path / "scores" / "scores.csv").open() as file:
        (scores,) = csv.DictReader(file)
    assert float(rows_of(tmp_path / "run")[-1]["val_mean_iou"]) == pytest.approx(float(scores["mean_iou"]), abs=1e-6)


@pytest.fixture
def no_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s4gan, "Discriminator", partial(Discriminator, dropout=0.0))


def test_a_run_moves_between_one_process_and_two(training_tiles: TinySet, tmp_path: Path, no_dropout: None):
    """One process, then two, then one: with frozen BatchNorm and no dropout it is the run of one process."""

    def argv(out: str, *flags: object) -> list[str]:
        return options(
            training_tiles, tmp_path / out, "--freeze-bn", *flags, num_steps=6, save_state_every=100, num_workers=0
        )

    def until(step: int, out: str, *flags: object) -> Callable[[], int]:
        def work() -> int:
            TrainingRun.after_step = before(TrainingRun.after_step, at_call(step, signal.SIGTERM))
            return train_s4gan.main(argv(out, *flags))

        return work

    run(argv("one"))
    assert in_processes(1, until(2, "moved")) == [143]
    assert in_processes(2, until(2, "moved", "--resume")) == [143, 143]
    assert torch.load(tmp_path / "moved" / "last.pth", weights_only=True)["step"] == 4
    run(argv("moved", "--resume"))
    one, moved = (networks_of(tmp_path / out, 6) for out in ("one", "moved"))
    for name, tensor in one.items():
        torch.testing.assert_close(moved[name], tensor, rtol=1e-4, atol=1e-6, msg=name)
    assert [row["step"] for row in rows_of(tmp_path / "moved")] == list("123456")


def test_two_processes_resumed_repeat_the_run_exactly(training_tiles: TinySet, tmp_path: Path):
    """Each process has its own dropout, and its random numbers go on where they were."""

    def work(out: str, stop_at: int, *flags: object) -> Callable[[], int]:
        def train() -> int:
            if os.environ["RANK"] == "1":  # the other one hears of it
                TrainingRun.after_step = before(TrainingRun.after_step, at_call(stop_at, signal.SIGINT))
            return train_s4gan.main(options(training_tiles, tmp_path / out, *flags, num_steps=4))

        return train

    assert in_processes(2, work("whole", 99)) == [0, 0]
    assert in_processes(2, work("parts", 2)) == [130, 130]
    assert in_processes(2, work("parts", 99, "--resume")) == [0, 0]
    whole, parts = (networks_of(tmp_path / out, 4) for out in ("whole", "parts"))
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")


def failing(rank: int, argv: list[str], error: Callable[..., None]) -> Callable[[], tuple[int, str]]:
    """Train in a process that meets an error after a step if it is the rank-th; what it returns and says on stderr."""
    after_step = TrainingRun.after_step

    def fail_after_step(*args: Any) -> Any:
        error(*args)
        return after_step(*args)

    def work() -> tuple[int, str]:
        if os.environ["RANK"] == str(rank):
            TrainingRun.after_step = fail_after_step
        path = argv[argv.index("--checkpoint_dir") + 1] + f"-stderr{os.environ['RANK']}"
        with Path(path).open("w") as sys.stderr:
            code = train_s4gan.main(argv)
        said = Path(path).read_text().splitlines(keepends=True)
        return code, "".join(line for line in said if "training" not in line.partition(":")[0])

    return work


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_in_one_process_ends_both_with_its_message(training_tiles: TinySet, tmp_path: Path, rank: int):
    def error(*_: object) -> None:
        raise OSError(5, "Input/output error", "tile7.png")

    answers = in_processes(2, failing(rank, options(training_tiles, tmp_path / "run", **ENDLESS), error))
    assert [code for code, _ in answers] == [1, 1]
    assert "error: tile7.png: input/output error" in answers[rank][1]
    assert f"process {1 - rank} ends because another one did" in answers[1 - rank][1]


def test_an_unreadable_tile_in_one_process_ends_both(own_tiles: TinySet, tmp_path: Path):
    """The tile turns unreadable after all were looked at, and is in the second process's share of the next batch."""
    argv = options(own_tiles, tmp_path / "run", "--no-cache", **ENDLESS)

    def spoil(training: TrainingRun, *_: object) -> None:
        name = training.batch_names(2)["unlabelled"][1]
        (own_tiles.folder / "images" / f"{name}.png").write_bytes(b"this is no image")

    (code, said), (code_of_other, said_by_other) = in_processes(2, failing(1, argv, spoil))
    assert (code, code_of_other) == (1, 1)
    assert said.startswith("error: process 0 ends because another one did")
    assert said_by_other.startswith("error: ")
    assert "is not an image" in said_by_other
    assert len(said_by_other.splitlines()) == len(said.splitlines()) == 1


def test_a_process_that_is_killed_ends_the_other(training_tiles: TinySet, tmp_path: Path):
    kill = at_call(3, signal.SIGKILL)
    argv = options(training_tiles, tmp_path / "run", **ENDLESS)
    answers = in_processes(2, failing(1, argv, lambda *_: kill()), killed=1)
    assert answers[1] is None
    assert answers[0][0] == 1
    assert answers[0][1].startswith("error: process 0 ends because another one did")


@pytest.mark.parametrize(
    ("flags", "changes", "words"),
    [
        ((), {"batch_size": 3}, "--batch-size 3 is that of all processes, and does not divide by 2 processes"),
        ((), {"batch_size": 6, "accumulate": 2}, "does not divide by 2 processes of 2 parts each"),
        (("--sync-bn",), {}, "--sync-bn works on CUDA only, and this run is on the cpu"),
    ],
)
def test_what_several_processes_cannot_do(training_tiles: TinySet, tmp_path: Path, flags, changes, words):
    answers = in_processes(2, failing(0, options(training_tiles, tmp_path / "run", *flags, **changes), pytest.fail))
    assert [code for code, _ in answers] == [2, 2]
    assert all(words in said for _, said in answers)
    assert not (tmp_path / "run").exists()


def test_an_error_of_the_main_process_alone_ends_both(training_tiles: TinySet, tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint1.pth").touch()
    answers = in_processes(2, failing(0, options(training_tiles, tmp_path / "run"), pytest.fail))
    assert [code for code, _ in answers] == [2, 1]
    assert "--overwrite" in answers[0][1]
