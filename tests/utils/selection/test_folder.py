from pathlib import Path

import numpy as np
import pytest

from utils.errors import DataError, OptionError
from utils.selection import QuerySettings, SelectionFolder
from utils.settings import SettingsError

SETTINGS = {"query_strategy": "margin", "alpha": "0.1", "device": None, "data_list": "train.txt"}


def folder_in(tmp_path: Path, seed: int = 7, **changes: object) -> SelectionFolder:
    return SelectionFolder(tmp_path, "UCM", QuerySettings(), seed, SETTINGS | changes)


def test_paths_tell_strategy_shares_and_seed(tmp_path: Path):
    folder = folder_in(tmp_path)
    assert folder.path == tmp_path / "UCM" / "margin_0.05_0.1_0.5_seed7"
    assert folder.names == tmp_path / "UCM" / "margin_names_0.05_0.1_0.5.npy"
    assert folder.probabilities == tmp_path / "UCM" / "margin_probs_0.05_0.1_0.5.npy"
    assert folder.partial_names == folder.path / "margin_names_0.05_0.1_0.5.partial.npy"
    assert not tmp_path.joinpath("UCM").exists()


def test_arrays_are_partial_until_they_are_published(tmp_path: Path):
    folder = folder_in(tmp_path)
    folder.write_arrays(["a"], [0.5])
    assert not folder.names.exists()
    folder.publish(["a", "b"], [0.5, float("nan")])
    assert np.load(folder.names, allow_pickle=False).tolist() == ["a", "b"]
    assert np.load(folder.probabilities, allow_pickle=False).dtype == np.float32
    assert not folder.partial_names.exists()
    assert not folder.partial_probabilities.exists()


def test_another_run_s_names_are_told_before_they_are_replaced(tmp_path: Path, capsys):
    first, second = folder_in(tmp_path, seed=1), folder_in(tmp_path, seed=2)
    with first.claim():
        first.begin_with(["a"], {})
        first.publish(["a"], [0.5])
        first.selected.write_text("a\n")
    with second.claim():
        second.begin_with(["a"], {})
        assert f"{first.names} of {first.path} (names also in its selected.txt) will be replaced" in (
            capsys.readouterr().out
        )
        second.publish(["b"], [0.5])
    assert "is replaced" in capsys.readouterr().out
    assert not first.has_published()


def test_a_run_is_resumed_with_the_settings_and_the_list_that_it_began_with(tmp_path: Path):
    folder = folder_in(tmp_path)
    with folder.claim():
        folder.begin_with(["a", "b"], {"torch": "2"})
    folder_in(tmp_path, device="cpu").check_resumable({"device"})
    with pytest.raises(OptionError, match=r"alpha was 0\.1 and is 0\.2"):
        folder_in(tmp_path, alpha="0.2").check_resumable({"device"})
    folder.check_list(["a", "b"])
    with pytest.raises(DataError, match=r"train.txt has changed since this run began: 1 added \('c'\)"):
        folder.check_list(["a", "b", "c"])
    folder.selected.write_text("a\n")
    with pytest.raises(SettingsError, match="restore it, or start over with overwrite"):
        folder.check_resumable({"device"})
