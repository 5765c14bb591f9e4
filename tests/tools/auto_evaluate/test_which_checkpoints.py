"""Which checkpoints are evaluated: those that can be read, and whose weights and maps are numbers."""

import re
import shutil
import threading
from pathlib import Path

import torch

from model import trained
from model.networks.deeplabv2 import DeepLabV2
from model.trained import Trained
from tests.conftest import write_list
from tests.tools.auto_evaluate.conftest import STEPS, argv, rows_of, save_generator, score_of, summary_of, write_run
from tools import auto_evaluate
from utils.evaluation.tile_lists import ListScorer
from utils.runs.files import save_tensors

# --- Which checkpoints -----------------------------------------------------------------------------------------------


def test_checkpoints_that_cannot_be_used_are_named_and_left_out(tiny, run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    shutil.copy(folder / "checkpoint200_D.pth", folder / "checkpoint1.pth")
    (folder / "checkpoint2.pth").write_bytes((folder / "checkpoint7.pth").read_bytes()[:-1000])
    save_generator(folder, 3, classes=4)
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", start_eval=1, end_eval=7, step_eval=1)) == 4
    said = capsys.readouterr().err
    for words in ("not there: 4, 5, 6", "checkpoint1.pth: a discriminator", "checkpoint2.pth", "4 classes"):
        assert words in said
    assert "skipped 6 checkpoints: 1, 2, 3, 4, 5, 6" in said
    assert list(rows_of(tmp_path / "out")) == [7]
    assert [entry["step"] for entry in summary_of(tmp_path / "out")["skipped"]] == [1, 2, 3, 4, 5, 6]
    assert "a discriminator" in (tmp_path / "out" / "report.html").read_text()


def test_a_network_is_made_once_and_the_next_checkpoint_read_meanwhile(tiny, run, tmp_path, monkeypatch):
    made, read = [], {step: threading.Event() for step in STEPS}
    monkeypatch.setattr(trained, "DeepLabV2", lambda *args: made.append(args) or DeepLabV2(*args))

    def read_checkpoint(self, path):
        read[int(re.findall(r"\d+", path.name)[0])].set()
        return original_read(self, path)

    def evaluate_after_reading(self, step):
        following = STEPS[STEPS.index(step) + 1 :][:1]
        assert all(read[later].wait(10) for later in following)
        return original_evaluate(self, step)

    original_read, original_evaluate = Trained.read, ListScorer.evaluate
    monkeypatch.setattr(Trained, "read", read_checkpoint)
    monkeypatch.setattr(ListScorer, "evaluate", evaluate_after_reading)
    assert auto_evaluate.main(argv(tiny, run, tmp_path, "--all")) == 0
    assert len(made) == 1


def test_the_best_checkpoint_may_be_removed_while_others_are_evaluated(tiny, run, tmp_path, monkeypatch):
    """As by a training with --keep-last that is not followed."""
    folder = write_run(tmp_path / "run", ())
    for step, source in enumerate(sorted(STEPS, key=lambda step: -score_of(run, tiny, step)), start=1):
        shutil.copy(run / f"checkpoint{source}.pth", folder / f"checkpoint{step}.pth")
    original = ListScorer.evaluate

    def evaluate(self, step):
        (folder / "checkpoint1.pth").unlink(missing_ok=True)
        return original(self, step)

    monkeypatch.setattr(ListScorer, "evaluate", evaluate)
    test_list = write_list(tmp_path / "test.txt", tiny.names)
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", "--all", test_list=test_list)) == 0
    summary = summary_of(tmp_path / "out")
    assert summary["chosen"]["step"] == 1
    assert summary["test_list"]["scores"] == summary["data_list"]["scores"]


# --- What is no number ------------------------------------------------------------------------------------------------


def spoil(folder: Path, step: int, value: float) -> None:
    path = folder / f"checkpoint{step}.pth"
    weights = torch.load(path, weights_only=True)
    weights[next(iter(weights))].view(-1)[0] = value
    save_tensors(path, weights)


def test_checkpoints_that_are_not_finite_are_named_and_left_out(tiny, run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    spoil(folder, 7, float("nan"))
    spoil(folder, 30, float("inf"))
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", "--all")) == 4
    said = capsys.readouterr().err
    for step in (7, 30):
        assert f"checkpoint{step}.pth: 1 of " in said
    assert "tensors hold NaN or infinite values (backbone." in said
    assert list(rows_of(tmp_path / "out")) == [200]
    out = tmp_path / "alone"
    assert auto_evaluate.main(argv(tiny, folder, out, start_eval=7, end_eval=7)) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: no checkpoint of {folder} could be evaluated: ")
    assert "NaN or infinite" in last
    assert not out.exists()


def test_a_checkpoint_whose_maps_are_not_finite_is_left_out(tiny, run, tmp_path, capsys):
    """All weights are finite; what they come to is not."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    path = folder / "checkpoint30.pth"
    weights = torch.load(path, weights_only=True)
    save_tensors(path, {n: v.sign() * 3e38 if n.startswith("head.") else v for n, v in weights.items()})
    assert auto_evaluate.main(argv(tiny, folder, tmp_path / "out", "--all")) == 4
    assert f"{path}: the network's output is NaN or infinite" in capsys.readouterr().err
    assert list(rows_of(tmp_path / "out")) == [7, 200]
    assert [entry["step"] for entry in summary_of(tmp_path / "out")["skipped"]] == [30]
