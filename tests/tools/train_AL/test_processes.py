"""The active learner in several processes: it chooses, ends and goes on as one does."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from model.learning.active_learner import ActiveLearner
from tests.conftest import TinySet
from tests.tools.train_AL.conftest import names_of, options, record_of, run
from tests.tools.train_AL.interruptions import before
from tests.utils.compute.test_distributed import in_processes
from tools import train_AL
from utils.selection.folder import SelectionFolder

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("strategy", ["bald", "badge"])
def test_two_processes_choose_what_one_does(tiles: TinySet, tmp_path: Path, strategy: str):
    """The classifier stays as it is, so that all differences are those of scoring; squeezenet has no BatchNorm."""
    frozen = {"model_name": "squeezenet1_1", "classifier_weights": "none", "learning_rate": "1e-30", "num_epochs": 1}
    changes = frozen | {"query_strategy": strategy, "dropout_passes": 3, "val_list": tiles.folder / "val.txt"}
    run(options(tiles, tmp_path / "one", **changes))
    argv = options(tiles, tmp_path / "two", **changes)
    assert in_processes(2, lambda: train_AL.main(argv)) == [0, 0]
    assert names_of(tmp_path / "two", strategy) == names_of(tmp_path / "one", strategy)
    one, two = (record_of(tmp_path / out, strategy)["rounds"] for out in ("one", "two"))
    for key in ("scores", "probabilities", "val_accuracy"):
        assert [r[key] for r in one] == [r[key] for r in two]


def test_two_processes_end_when_one_is_asked_to_and_go_on(tiles: TinySet, tmp_path: Path):
    argv = options(tiles, tmp_path, batch_size=3)  # shares of two and one, and an empty one

    def work() -> int:
        calls = iter(range(10**6))

        def ask() -> None:
            if next(calls) == 1 and os.environ["RANK"] == "1":
                os.kill(os.getpid(), signal.SIGTERM)

        ActiveLearner.after_batch = before(ActiveLearner.after_batch, ask)
        return train_AL.main(argv)

    assert in_processes(2, work) == [143, 143]  # though only one got the signal
    assert in_processes(2, lambda: train_AL.main([*argv, "--resume"])) == [0, 0]
    assert len(set(names_of(tmp_path))) == 4


def test_each_process_of_a_resumed_run_drops_out_as_it_would_have(tiles: TinySet, tmp_path: Path):
    changes = {"model_name": "squeezenet1_1", "classifier_weights": "none", "num_epochs": 2}
    run_whole = options(tiles, tmp_path / "whole", **changes)
    argv = options(tiles, tmp_path / "parts", **changes)
    assert in_processes(2, lambda: train_AL.main(run_whole)) == [0, 0]

    def work() -> int:
        calls = iter(range(10**6))

        def ask() -> None:
            if next(calls) == 0:  # after the first of two batches
                os.kill(os.getpid(), signal.SIGTERM)

        ActiveLearner.after_batch = before(ActiveLearner.after_batch, ask)
        return train_AL.main(argv)

    assert in_processes(2, work) == [143, 143]
    assert in_processes(2, lambda: train_AL.main([*argv, "--resume"])) == [0, 0]
    whole, parts = (record_of(tmp_path / out)["rounds"] for out in ("whole", "parts"))
    for key in ("loss", "names", "probabilities"):
        assert [r[key] for r in parts] == [r[key] for r in whole]


def test_whether_a_run_is_resumed_is_decided_once(tiles: TinySet, tmp_path: Path):
    """A second process may look into the folder when the first has begun the run there."""

    def work() -> int:
        seen = SelectionFolder.claim

        def late(self: SelectionFolder, *flags: bool) -> Any:
            if os.environ["RANK"] == "1":
                self.record = Path(__file__)
            return seen(self, *flags)

        SelectionFolder.claim = late  # type: ignore[method-assign]
        ActiveLearner.resume = lambda _: pytest.fail("there is nothing to resume")  # type: ignore[method-assign]
        return train_AL.main(options(tiles, tmp_path, "--resume", num_epochs=1))

    assert in_processes(2, work) == [0, 0]


def test_torchrun_starts_it(tiles: TinySet, tmp_path: Path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    argv = [*launcher, str(ROOT / "tools" / "train_AL.py"), *options(tiles, tmp_path, num_epochs=1)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(set(names_of(tmp_path))) == 4
    assert done.stdout.count("masks to draw") == 1
