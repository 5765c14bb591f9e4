"""What options and settings tell the trainer: from Python, input sizes, parts of a batch, its method."""

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from data.settings import DataSettings, LabelledSettings, SampleSettings
from model.methods import METHODS, Entry
from model.methods.settings import MethodSettings, S4GANSettings, SupervisedSettings
from model.settings import NetworkSettings
from tests.conftest import TinySet, error_line
from tests.tools.train_s4gan.conftest import assert_learns, networks_of, numbers_of, options, run
from tools import train_s4gan
from tools.settings.learning import TrainingSettings
from utils.runs.folder import RunFolder
from utils.runs.settings import KeepingSettings, MachineSettings
from utils.settings import SettingsError

# --- from Python ------------------------------------------------------------------------------------------------------


def test_settings_train_what_options_do(training_tiles: TinySet, tmp_path: Path):
    run(options(training_tiles, tmp_path / "options"))
    settings = TrainingSettings(
        DataSettings("custom", training_tiles.folder, training_tiles.folder / "train.txt"),
        S4GANSettings(2, threshold_st=0.4, st_start=0),
        samples=SampleSettings((32, 32), 2),
        labelled=LabelledSettings(Decimal("0.3")),
        network=NetworkSettings("tiny", "none"),
        machine=MachineSettings("cpu", precision="fp32", num_workers=0, random_seed=5000),
        keeping=KeepingSettings(tmp_path / "settings", save_pred_every=1, log_every=1),
    )
    assert train_s4gan.train(settings) == 0
    tables = [json.loads((tmp_path / out / "options.json").read_text()) for out in ("options", "settings")]
    assert {table["options"].pop("checkpoint_dir") for table in tables} == {
        str(tmp_path / out) for out in ("options", "settings")
    }
    assert tables[0] == tables[1]
    assert tables[0]["options"]["supervised_only"] is False
    by_options, by_settings = (networks_of(tmp_path / out, 2) for out in ("options", "settings"))
    assert all(torch.equal(by_settings[name], tensor) for name, tensor in by_options.items())


# --- unusual tiles, sizes and shares ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["65,77", "16,24", "17,40", "32,96"])  # tiles are 32×32
def test_input_sizes_odd_smaller_and_larger_than_a_tile(training_tiles: TinySet, tmp_path: Path, size: str):
    viz = tmp_path / "viz"
    flags = ("--random-scale", "--save-viz", "--save-after-iter", 0)
    changes = {"val_list": training_tiles.folder / "val.txt", "eval_every": 1, "threshold_st": "0"}
    run(options(training_tiles, tmp_path / "run", *flags, input_size=size, generator_viz_dir=viz, **changes))
    assert_learns(tmp_path / "run")
    assert all(0 <= score <= 1 for score in numbers_of(tmp_path / "run", "val_mean_iou"))
    shapes = {np.load(path, allow_pickle=False).shape for path in viz.glob("*.npy")}
    assert shapes == {tuple(int(pixels) for pixels in size.split(","))}


@dataclass(frozen=True)
class OwnSettings(MethodSettings):
    """Of a method without unlabelled tiles that has more to be told than the supervised one."""

    name: ClassVar[str] = "own"
    weight: float = 1.0


def test_only_methods_that_take_unlabelled_tiles_become_supervised_without_them(
    training_tiles: TinySet, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.setitem(METHODS, "own", Entry("supervised", "Supervised", OwnSettings))
    data = DataSettings("custom", training_tiles.folder, training_tiles.list_path)
    settings = partial(TrainingSettings, data, keeping=KeepingSettings(tmp_path, save_viz=True))
    tiles = train_s4gan.open_training_tiles(TrainingSettings(data, OwnSettings(2)), RunFolder(tmp_path))
    own = TrainingSettings(data, OwnSettings(2, weight=2))
    assert train_s4gan.with_fitting_method(own, tiles) is own
    assert not capsys.readouterr().out
    with pytest.raises(SettingsError, match="the method supervised makes none"):
        train_s4gan.with_fitting_method(settings(S4GANSettings(2, threshold_st=0.5)), tiles)
    assert "every tile is labelled" in capsys.readouterr().out


def test_supervised_training_asks_for_no_threshold(training_tiles: TinySet, tmp_path: Path, capsys):
    argv = partial(options, training_tiles, tmp_path / "run", threshold_st=None)
    assert train_s4gan.parse_args(argv("--supervised-only")).method == SupervisedSettings(2)
    line = error_line(capsys, 2, train_s4gan.main, argv())
    assert "s4gan needs --threshold-st, a number of 0 to 1" in line


def test_parts_of_a_batch_teach_what_the_whole_does(training_tiles: TinySet, tmp_path: Path):
    for parts in (1, 2):
        flags = ("--supervised-only", "--freeze-bn", "--random-scale", "--random-mirror")
        run(options(training_tiles, tmp_path / str(parts), *flags, accumulate=parts, batch_size=4))
    whole, parts = (torch.load(tmp_path / out / "checkpoint2.pth", weights_only=True) for out in ("1", "2"))
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, rtol=1e-5, atol=1e-7, msg=name)
    assert numbers_of(tmp_path / "2", "loss_ce") == pytest.approx(numbers_of(tmp_path / "1", "loss_ce"), rel=1e-5)
