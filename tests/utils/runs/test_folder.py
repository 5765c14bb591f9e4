"""The files of a training run: which are its own, and which go with a checkpoint."""

import json
from pathlib import Path

import pytest

from utils.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Four checkpoints of a method with three networks, of which the last lacks the one that is evaluated."""
    for step in (1, 2, 3, 4):
        for ending in ("", "_D", "_teacher"):
            if (step, ending) != (4, ""):
                (tmp_path / f"checkpoint{step}{ending}.pth").write_bytes(b"12345")
    (tmp_path / "checkpoint.pth").write_bytes(b"12345")  # of somebody else
    (tmp_path / "options.json").write_text(json.dumps({"options": {}}))
    return RunFolder(tmp_path)


def checkpoints(folder: RunFolder) -> list[str]:
    return sorted(path.stem.removeprefix("checkpoint") for path in folder.path.glob("*.pth"))


def test_a_step_counts_when_its_evaluated_network_is_there(folder: RunFolder, tmp_path: Path):
    assert folder.steps() == [1, 2, 3]
    assert folder.network(3, "_teacher").is_file()
    assert RunFolder(tmp_path / "nowhere").steps() == []


def test_all_networks_of_the_newest_and_of_the_best_checkpoint_stay(folder: RunFolder):
    folder.keep_newest(1, best_step=1)
    assert checkpoints(folder) == ["", "1", "1_D", "1_teacher", "3", "3_D", "3_teacher"]


def test_all_networks_of_later_steps_are_counted_and_removed(folder: RunFolder):
    assert folder.bytes_after(1) == 8 * 5
    folder.cut_back(1)
    assert checkpoints(folder) == ["", "1", "1_D", "1_teacher"]
    assert folder.bytes_after(1) == 0


def test_all_networks_are_replaced_with_a_run(folder: RunFolder, capsys: pytest.CaptureFixture[str]):
    with folder.claim(overwrite=True):
        folder.begin()
        folder.options.write_text(json.dumps({"options": {}}))
    assert checkpoints(folder) == [""]
    assert "kept in" in (said := capsys.readouterr().out)
    assert "_teacher" not in said
