"""What the active learner chooses and leaves, by every strategy and with budgets at their limits."""

import csv
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from data.settings import DataSettings, SampleSettings
from model.settings import LearnerSettings
from tests.conftest import TinySet, write_list
from tests.tools.train_AL.conftest import (
    AUGMENTED,
    error_of,
    folder_of,
    names_of,
    options,
    record_of,
    run,
    true_classes,
)
from tools import train_AL
from tools.settings.learning import LabelSourceSettings, SelectionSettings
from utils.runs.settings import MachineSettings
from utils.selection.settings import QuerySettings
from utils.selection.strategies import STRATEGIES

# --- results ----------------------------------------------------------------------------------------------------------


def test_a_run_leaves_its_results(uninterrupted: Path):
    folder, names, record = folder_of(uninterrupted), names_of(uninterrupted), record_of(uninterrupted)
    assert len(set(names)) == 4
    assert (folder / "selected.txt").read_text().split() == names
    assert [name for r in record["rounds"] for name in r["names"]] == names
    assert not set(record["initial_pool"]) & set(names)
    for r in record["rounds"]:
        assert [r["true"], len(r["scores"]), len(r["probabilities"])] == [true_classes(r["names"]), 2, 2]
        assert set(r["predicted"]) <= {"dry", "wet"}
        assert 0 <= r["val_accuracy"] <= 1
        assert r["fit_seconds"] > 0
        assert r["score_seconds"] > 0
    assert [r["labelled"] for r in record["rounds"]] == [2, 4]
    assert record["ledger"] == {
        "scene_labels_asked_for": 4,
        "masks_to_draw": 4,
        "target": 4,
        "short_of_target": 0,
        "initial_pool": 2,
        "initial_pool_counts": False,
    }
    assert record["options"]["random_scale"] is True
    assert "torch" in record["versions"]
    for picture in ("chosen.png", "histogram.png", "learning_curve.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert [row["labelled"] for row in rows] == ["2", "4"]
    assert list((folder / "tensorboard").iterdir())


def test_settings_choose_what_the_options_choose(tiles: TinySet, tmp_path: Path, capsys):
    settings = SelectionSettings(
        DataSettings("custom", tiles.folder, tiles.folder / "train.txt"),
        query=QuerySettings("margin", Decimal("0.25"), Decimal("0.5"), Decimal(1)),
        learner=LearnerSettings("tiny", learning_rate=0.01, num_epochs=2, score_batch_size=3),
        samples=SampleSettings((32, 32), batch_size=2),
        machine=MachineSettings("cpu", precision="fp32", num_workers=0, random_seed=360),
        save_dir=tmp_path / "settings",
    )
    assert train_AL.select(settings) == 0
    run(options(tiles, tmp_path / "options"))
    assert names_of(tmp_path / "settings") == names_of(tmp_path / "options")
    assert train_AL.select(replace(settings, labels=LabelSourceSettings("people"), save_dir=tmp_path / "people")) == 3
    assert "select(...) with FolderSettings(resume=True)" in capsys.readouterr().out


def test_the_probability_of_an_initial_tile_is_not_known(tiles: TinySet, tmp_path: Path):
    run(options(tiles, tmp_path, "--include-initial-pool"))
    probabilities = np.load(tmp_path / "custom" / "margin_probs_0.25_0.5_1.npy", allow_pickle=False)
    assert names_of(tmp_path)[:2] == record_of(tmp_path)["initial_pool"]
    assert np.isnan(probabilities).tolist() == [True, True, False, False]
    assert record_of(tmp_path)["ledger"]["scene_labels_asked_for"] == 2


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "margin"])
def test_every_strategy_runs_and_repeats_itself(tiles: TinySet, tmp_path: Path, capsys, strategy: str):
    chosen = []
    for out, workers in (("first", 0), ("second", 1)):
        changes = {"query_strategy": strategy, "num_workers": workers, "dropout_passes": 3}
        run(options(tiles, tmp_path / out, **changes))
        chosen.append(names_of(tmp_path / out, strategy))
        probabilities = np.load(tmp_path / out / "custom" / f"{strategy}_probs_0.25_0.5_1.npy", allow_pickle=False)
        assert ((probabilities > 0) & (probabilities <= 1)).all()
    assert chosen[0] == chosen[1]
    assert len(set(chosen[0])) == 4
    assert ("a classifier from random weights" in capsys.readouterr().out) == (strategy != "random")


def test_a_folder_that_holds_a_run_is_not_overwritten(tiles: TinySet, uninterrupted: Path, capsys):
    before = names_of(uninterrupted)
    assert "--overwrite" in error_of(capsys, options(tiles, uninterrupted), 2)
    line = error_of(capsys, options(tiles, uninterrupted, "--resume", *AUGMENTED, num_epochs=3), 2)
    assert "--num-epochs was 2 and is 3" in line
    assert "--val-list was" in line
    assert names_of(uninterrupted) == before
    assert "give one of them" in error_of(capsys, options(tiles, uninterrupted, "--resume", "--overwrite"), 2)


def test_a_finished_run_resumed_says_what_it_chose(tiles: TinySet, uninterrupted: Path, capsys):
    before = record_of(uninterrupted)
    run(options(tiles, uninterrupted, *AUGMENTED, "--resume", val_list=tiles.folder / "val.txt"))
    assert "masks to draw: 4" in capsys.readouterr().out
    assert record_of(uninterrupted)["rounds"] == before["rounds"]


def test_the_accuracy_that_was_asked_for_ends_a_run(tiles: TinySet, tmp_path: Path, capsys):
    argv = options(tiles, tmp_path, val_list=tiles.folder / "val.txt", stop_at_accuracy=0)
    run(argv)
    assert "reaches --stop-at-accuracy" in capsys.readouterr().out
    assert names_of(tmp_path) == []
    assert record_of(tmp_path)["last_fit"]["labelled"] == 2
    run([*argv, "--resume"])
    assert len((folder_of(tmp_path) / "metrics.csv").read_text().splitlines()) == 2
    assert "needs --val-list" in error_of(capsys, options(tiles, tmp_path / "out", stop_at_accuracy="0.5"), 2)


def test_validation_tiles_are_not_learned_from(tiles: TinySet, tmp_path: Path, capsys):
    line = error_of(capsys, options(tiles, tmp_path, val_list=tiles.folder / "all.txt"), 1)
    assert "14 tiles are in --val-list and in --data-list" in line


# --- edge cases of the budget -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "alpha", "beta", "rounds", "missing"),
    [
        ("0.1", "0.1", "0.5", [1, 1], 0),  # alpha · target is 0.2: one tile to begin with, rounds of one
        ("1", "0.5", "1", [7], 7),  # the budget is larger than the pool
        ("1", "1", "1", [], 14),  # everything is labelled before the first round
    ],
)
def test_budgets_at_their_limits(tiles: TinySet, tmp_path: Path, capsys, ratio, alpha, beta, rounds, missing):
    run(options(tiles, tmp_path, labeled_ratio=ratio, alpha=alpha, beta=beta, num_epochs=1))
    record = record_of(tmp_path, "margin", f"{ratio}_{alpha}_{beta}")
    assert [len(r["names"]) for r in record["rounds"]] == rounds
    assert record["ledger"]["short_of_target"] == missing
    assert (f"ran dry: {missing} tiles fewer" in capsys.readouterr().out) == bool(missing)
    assert len(names_of(tmp_path, "margin", f"{ratio}_{alpha}_{beta}")) == sum(rounds)


def test_a_budget_says_how_many_and_names_the_files(tiles: TinySet, tmp_path: Path, capsys):
    run(options(tiles, tmp_path / "ratio", num_epochs=1))
    argv = options(tiles, tmp_path / "number", num_epochs=1, labeled_ratio=None, budget=4)
    run(argv)
    assert names_of(tmp_path / "number", settings="n4_0.5_1") == names_of(tmp_path / "ratio")
    assert record_of(tmp_path / "number", "margin", "n4_0.5_1")["ledger"]["target"] == 4
    assert "--budget 4 --active-learning " in capsys.readouterr().out
    argv = options(tiles, tmp_path / "other", labeled_ratio="0.25", budget=4)
    assert "--budget 4 and --labeled-ratio 0.25 both say how many tiles; give one" in error_of(capsys, argv, 2)
    argv = options(tiles, tmp_path / "other", labeled_ratio=None, budget=15)
    assert "--budget 15 exceeds the 14 tiles of --data-list" in error_of(capsys, argv, 2)


def test_a_pool_with_one_class(own_tiles: TinySet, tmp_path: Path):
    labels = "".join(f"{name},dry\n" for name in own_tiles.names)
    (own_tiles.folder / "scene_labels.csv").write_text("name,label\n" + labels)
    run(options(own_tiles, tmp_path))
    assert len(names_of(tmp_path)) == 4


def test_a_list_that_has_changed_is_refused_by_name(own_tiles: TinySet, tmp_path: Path, capsys):
    run(options(own_tiles, tmp_path))
    write_list(own_tiles.folder / "train.txt", [*own_tiles.names[1:14], own_tiles.names[16]])
    line = error_of(capsys, options(own_tiles, tmp_path, "--resume"), 1)
    assert "1 added ('tile16'), 1 removed ('tile0')" in line
    write_list(own_tiles.folder / "train.txt", own_tiles.names[13::-1])
    assert "its order is another" in error_of(capsys, options(own_tiles, tmp_path, "--resume"), 1)
