from pathlib import Path

import pytest
import torch

from utils.errors import DataError
from utils.evaluation.checkpoints import Checkpoints, Weights
from utils.evaluation.settings import RangeSettings
from utils.runs.interrupt import StopRequest
from utils.settings import SettingsError


class Network:
    """What a network would be asked: it notes the steps whose weights it was given."""

    def __init__(self) -> None:
        self.loaded: list[int] = []

    def read(self, path: Path) -> Weights:
        if not path.stat().st_size:
            raise DataError(f"{path} is empty")
        return {"step": torch.tensor(int(path.stem.removeprefix("checkpoint")))}

    def load(self, weights: Weights) -> None:
        self.loaded.append(int(weights["step"]))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for step in (10, 20, 35, 40):
        (tmp_path / f"checkpoint{step}.pth").write_bytes(b"" if step == 20 else b"weights")
    return tmp_path


def checkpoints(run: Path, network: Network, **given) -> Checkpoints:
    settings = RangeSettings(run, **given)
    return Checkpoints(settings, network.read, network.load, StopRequest(None, lambda: ""))


def test_checkpoints_of_the_range_come_in_order_and_the_others_are_named(run, capsys):
    network = Network()
    found = checkpoints(run, network, start_eval=10, end_eval=50, step_eval=10)
    assert list(found) == network.loaded == [10, 40]
    assert set(found.skipped) == {20, 30, 50}
    assert "checkpoint20.pth is empty; skipped" in capsys.readouterr().err
    assert found.say_left_out()
    assert "skipped 3 checkpoints: 20, 30, 50" in capsys.readouterr().err


def test_all_takes_every_step(run):
    network = Network()
    assert list(checkpoints(run, network, all=True)) == [10, 35, 40]


def test_the_best_is_loaded_again_even_if_its_file_has_gone(run):
    network = Network()
    found = checkpoints(run, network, all=True)
    for step in found:
        if step == 35:
            found.keep_present()
    (run / "checkpoint35.pth").unlink()
    found.return_to(40)  # is in the network
    found.return_to(35)
    found.return_to(10)
    assert network.loaded == [10, 35, 40, 35, 10]


def test_a_range_without_a_checkpoint_is_refused(run):
    with pytest.raises(SettingsError, match=r"no checkpoint of steps 50 to 60 every 10 .*give start_eval"):
        checkpoints(run, Network(), start_eval=50, end_eval=60, step_eval=10)
    with pytest.raises(SettingsError, match=r"holds no checkpoint<step>\.pth"):
        checkpoints(run / "nowhere", Network(), all=True)
