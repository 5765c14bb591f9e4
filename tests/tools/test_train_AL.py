"""The active learner as a command: results, interruptions, people in the loop, unreadable tiles, several processes."""

import csv
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest

from data.batches.classification_batches import ClassificationBatches
from data.footprints.records import read_shares, read_tiles_csv, write_gpkg
from data.settings import DataSettings, SampleSettings
from model.learning import run as learning_run
from model.learning.active_learner import ActiveLearner
from model.settings import LearnerSettings
from tests.conftest import TinySet, write_custom, write_list, write_overlapping
from tests.files import image_file
from tests.utils.compute.test_distributed import in_processes
from tools import train_AL
from tools.settings.learning import LabelSourceSettings, SelectionSettings
from utils.runs import files, interrupt
from utils.runs.settings import MachineSettings
from utils.selection import folder as selection_folder
from utils.selection import results
from utils.selection.folder import SelectionFolder
from utils.selection.settings import QuerySettings
from utils.selection.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[2]
TILES = 18


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> TinySet:
    """18 tiles of 32×32, dry and wet in turn; lists of all, of the first 14 and of the last 4."""
    tiny = write_custom(tmp_path_factory.mktemp("tiles"), TILES)
    write_list(tiny.folder / "train.txt", tiny.names[:14])
    write_list(tiny.folder / "val.txt", tiny.names[14:])
    return tiny


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots take most of a tiny run's time; `uninterrupted`, which is made before, has them."""
    monkeypatch.setattr(results, "save_bars", lambda *_: None)
    monkeypatch.setattr(results, "plot_curves", lambda *_, **__: None)


@pytest.fixture
def own_tiles(tiles: TinySet, tmp_path: Path) -> TinySet:
    """The same tiles in a folder that a test may change."""
    shutil.copytree(tiles.folder, tmp_path / "tiles", ignore=shutil.ignore_patterns(".cache"))
    return TinySet(tiles.dataset, tmp_path / "tiles", tmp_path / "tiles" / "all.txt", tiles.names)


def options(tiles: TinySet, out: Path, *flags: object, **changes: object) -> list[str]:
    """Two rounds of two, after an initial pool of two."""
    settings = {
        "dataset": "custom", "data_dir": tiles.folder, "data_list": tiles.folder / "train.txt", "save_dir": out,
        "query_strategy": "margin", "labeled_ratio": "0.25", "alpha": "0.5", "beta": "1",
        "model_name": "tiny", "num_epochs": 2, "batch_size": 2, "score_batch_size": 3, "input_size": "32,32",
        "learning_rate": "0.01", "device": "cpu", "precision": "fp32", "num_workers": 0,
    } | changes  # fmt: skip
    given = [str(part) for name, value in settings.items() if value is not None for part in (f"--{name}", value)]
    return [*given, *(str(flag) for flag in flags)]


def run(argv: list[str], code: int = 0) -> None:
    assert train_AL.main(argv) == code


def names_of(out: Path, strategy: str = "margin", settings: str = "0.25_0.5_1") -> list[str]:
    return np.load(out / "custom" / f"{strategy}_names_{settings}.npy", allow_pickle=False).tolist()


def unfinished_names_of(out: Path) -> list[str]:
    return np.load(folder_of(out) / "margin_names_0.25_0.5_1.partial.npy", allow_pickle=False).tolist()


def folder_of(out: Path, strategy: str = "margin", settings: str = "0.25_0.5_1") -> Path:
    return out / "custom" / f"{strategy}_{settings}_seed360"


def record_of(out: Path, *settings: str) -> dict[str, Any]:
    return json.loads((folder_of(out, *settings) / "selection.json").read_text())


def error_of(capsys: pytest.CaptureFixture[str], argv: list[str], code: int) -> str:
    run(argv, code)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


@pytest.fixture(scope="module")
def uninterrupted(tiles: TinySet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a validation list and augmentation, whose selection interrupted ones have to repeat."""
    out = tmp_path_factory.mktemp("uninterrupted")
    run(options(tiles, out, *AUGMENTED, val_list=tiles.folder / "val.txt"))
    return out


AUGMENTED = ("--random-scale", "--random-mirror")


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


def true_classes(names: list[str]) -> list[str]:
    return [("dry", "wet")[int(name.removeprefix("tile")) % 2] for name in names]


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


# --- interruptions ----------------------------------------------------------------------------------------------------


def forked(work: Callable[[], int]) -> int:
    """The exit code of `work` in a process of its own; -9 where it was killed."""
    process = multiprocessing.get_context("fork").Process(target=lambda: os._exit(work()))
    process.start()
    for _ in range(6000):  # not join, which waits for a killed process's loader workers too
        if not process.is_alive():
            break
        time.sleep(0.02)
    else:
        process.kill()
        pytest.fail("the process hangs")
    assert process.exitcode is not None
    return process.exitcode


def killed_at(moment: int, every: int = 1) -> Callable[[], None]:
    """A function that kills its process at the call of this number."""
    calls = 0

    def call(*_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def before(function: Callable[..., Any], extra: Callable[[], None]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        extra()
        return function(*args, **kwargs)

    return call


def test_killed_again_and_again_it_ends_with_the_same_selection(tiles: TinySet, tmp_path: Path, uninterrupted: Path):
    """Every process dies after five more batches, wherever that is."""
    argv = options(tiles, tmp_path, *AUGMENTED, "--resume", val_list=tiles.folder / "val.txt")

    def work() -> int:
        learning_run.SAVE_EVERY = 0
        ActiveLearner.after_batch = before(ActiveLearner.after_batch, killed_at(6))
        return train_AL.main(argv)

    kills = 0
    while (code := forked(work)) != 0:
        assert code == -signal.SIGKILL
        kills += 1
        assert kills < 20
    assert kills >= 3
    assert names_of(tmp_path) == names_of(uninterrupted)
    rounds, expected = record_of(tmp_path)["rounds"], record_of(uninterrupted)["rounds"]
    assert [r["probabilities"] for r in rounds] == [r["probabilities"] for r in expected]
    assert len((folder_of(tmp_path) / "metrics.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("module", "function", "call"),
    [
        (learning_run, "save_tensors", 1),  # beginning, its first state
        (learning_run, "save_tensors", 2),  # results of the first round written, its state not
        (selection_folder, "write_names", 1),  # beginning
        (results, "write_names", 1),  # the arrays of the first round written, the rest not
        (files.os, "fsync", 9),  # in the middle of a file
    ],
)
def test_killed_between_files_it_ends_with_the_same_selection(
    tiles: TinySet, tmp_path: Path, uninterrupted: Path, module: Any, function: str, call: int
):
    argv = options(tiles, tmp_path, *AUGMENTED, val_list=tiles.folder / "val.txt")

    def work() -> int:
        setattr(module, function, before(getattr(module, function), killed_at(call)))
        return train_AL.main(argv)

    assert forked(work) == -signal.SIGKILL
    run([*argv, "--resume"])
    assert names_of(tmp_path) == names_of(uninterrupted)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("moment", [2, 7])  # in the first fit; while scoring
def test_asked_to_end_it_saves_and_goes_on(
    tiles: TinySet, tmp_path: Path, uninterrupted: Path, monkeypatch, capsys, number, code, moment
):
    argv = options(tiles, tmp_path, *AUGMENTED, val_list=tiles.folder / "val.txt")
    calls = iter(range(1, 10**6))

    def ask() -> None:
        if next(calls) == moment:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(ActiveLearner, "after_batch", before(ActiveLearner.after_batch, ask))
        run(argv, code)
    assert "state saved in round 1/2; the same command with --resume goes on" in capsys.readouterr().out
    assert next(calls) == moment + 1  # it ended after that very batch
    run([*argv, "--resume"])
    assert names_of(tmp_path) == names_of(uninterrupted)


def test_a_later_ctrl_c_ends_at_once_and_says_what_is_lost(tiles: TinySet, tmp_path: Path, monkeypatch, capsys):
    argv = options(tiles, tmp_path)
    calls = iter(range(1, 10**6))

    def ask() -> None:
        if next(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    after_batch = ActiveLearner.after_batch
    monkeypatch.setattr(interrupt, "SAME_KEYPRESS", 0.0)
    monkeypatch.setattr(ActiveLearner, "after_batch", before(ActiveLearner.after_batch, ask))
    line = error_of(capsys, argv, 130)
    assert line.startswith("error: interrupted again, ended at once: the work of ")
    assert "is lost; the same command with --resume goes on in round 1/2" in line
    monkeypatch.setattr(ActiveLearner, "after_batch", after_batch)
    run([*argv, "--resume"])
    assert len(names_of(tmp_path)) == 4


@pytest.mark.parametrize("strategy", ["bald", "badge"])
def test_scores_of_a_strategy_are_taken_up_where_they_were(tiles: TinySet, tmp_path: Path, monkeypatch, strategy):
    changes = {"query_strategy": strategy, "dropout_passes": 3, "retrain": "scratch", "num_epochs": 1}
    run(options(tiles, tmp_path / "whole", **changes))
    read, argv = [], options(tiles, tmp_path / "parts", **changes)
    asked = iter(range(1, 10**6))

    def ask() -> None:
        if next(asked) == 4:  # one batch was fitted, the round's validation is over, two of four batches scored
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(ActiveLearner, "after_batch", before(ActiveLearner.after_batch, ask))
        run(argv, 143)
    score = ClassificationBatches.scoring

    def watch(self: ClassificationBatches, indices: Any, first_batch: int = 0) -> Any:
        read.append(first_batch)
        return score(self, indices, first_batch)

    monkeypatch.setattr(ClassificationBatches, "scoring", watch)
    run([*argv, "--resume"])
    assert read[0] == 2
    assert names_of(tmp_path / "parts", strategy) == names_of(tmp_path / "whole", strategy)


def test_a_damaged_state_is_named(tiles: TinySet, tmp_path: Path, capsys):
    run(options(tiles, tmp_path, num_epochs=1))
    state = folder_of(tmp_path) / "state.pth"
    files.save_tensors(state, {"selection": {}})
    line = error_of(capsys, options(tiles, tmp_path, "--resume", num_epochs=1), 1)
    assert "state.pth does not fit this run" in line
    state.write_bytes(b"no state")
    assert "cannot be read" in error_of(capsys, options(tiles, tmp_path, "--resume", num_epochs=1), 1)


# --- people in the loop -----------------------------------------------------------------------------------------------


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def fill_in(path: Path, note: str = "") -> int:
    """Label as a person would, with a column of notes; returns the number of labels written."""
    rows = rows_of(path)
    waiting = [row for row in rows if not row["label"]]
    for row in waiting:
        (row["label"],) = true_classes([row["name"]])
        row["note"] = note
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # as Excel saves it
        writer = csv.DictWriter(file, ["name", "label", "predicted", "score", "note"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return len(waiting)


def test_a_whole_loop_with_a_person(own_tiles: TinySet, uninterrupted: Path, tmp_path: Path, capsys):
    """Labels are written only where they are asked for; the selection is that of a run that knew them all."""
    shutil.copy(own_tiles.folder / "scene_labels.csv", tmp_path / "known.csv")
    (own_tiles.folder / "scene_labels.csv").write_text("name,label\n" + "".join(f"{n},dry\n" for n in ()))
    argv, out = options(own_tiles, tmp_path / "people", *AUGMENTED), tmp_path / "people"
    sheet = folder_of(out) / "to_label.csv"

    run(argv, 3)
    said = capsys.readouterr().out
    assert "2 tiles wait for a scene label" in said
    assert "with one of: dry, wet" in said
    assert said.rstrip().endswith("--resume")
    assert "cost so far: 2 scene labels asked for (2 not given yet), 0 of 4 masks to draw" in said
    assert (folder_of(out) / "to_label.png").is_file()
    page = folder_of(out) / "to_label.html"
    assert page.read_text().count('<script type="text/plain" id="tile-') == 2
    first = rows_of(sheet)
    assert [(row["label"], row["predicted"], row["score"]) for row in first] == [("", "", "")] * 2

    run([*argv, "--resume"], 3)  # nothing was filled in
    assert rows_of(sheet) == first
    assert fill_in(sheet, "sure") == 2
    run([*argv, "--resume"], 3)
    second = rows_of(sheet)
    assert [row["name"] for row in second[:2]] == [row["name"] for row in first]
    assert [row["label"] for row in second] == [*true_classes([row["name"] for row in first]), "", ""]
    assert [row["note"] for row in second] == ["sure", "sure", "", ""]
    assert all(row["predicted"] in ("dry", "wet") and float(row["score"]) <= 0 for row in second[2:])
    assert unfinished_names_of(out) == [row["name"] for row in second[2:]]
    with pytest.raises(FileNotFoundError):
        names_of(out)

    assert fill_in(sheet) == 2
    capsys.readouterr()
    run([*argv, "--resume"])
    record, said = record_of(out), capsys.readouterr().out
    right = round(2 * record["rounds"][0]["query_accuracy"])
    assert f"round 1: {right} of 2 labels are what the classifier had predicted" in said
    assert float(rows_of(folder_of(out) / "metrics.csv")[0]["query_accuracy"]) == right / 2
    assert "query_accuracy" not in record["rounds"][1]
    assert "labels of this data set so far: 4 scene labels (minutes not known)" in said
    ledger = [
        (row["round"], row["name"], row["kind"], row["source"]) for row in rows_of(own_tiles.folder / "ledger.csv")
    ]
    asked = [row["name"] for row in rows_of(sheet)]
    assert ledger == [(n, name, "scene", "people") for n, name in zip("1122", asked, strict=True)]
    assert [r["true"] for r in record["rounds"]] == [true_classes(names_of(out)[:2]), [None, None]]
    assert record["ledger"]["scene_labels_asked_for"] == 4  # the last ones asked for need a mask, not a scene label

    shutil.copy(tmp_path / "known.csv", own_tiles.folder / "scene_labels.csv")
    run(options(own_tiles, tmp_path / "simulated", *AUGMENTED))
    assert names_of(tmp_path / "simulated") == names_of(out)


def test_labels_that_people_wrote_survive_an_overwritten_run(own_tiles: TinySet, tmp_path: Path):
    (own_tiles.folder / "scene_labels.csv").unlink()
    argv = options(own_tiles, tmp_path)
    run(argv, 3)
    sheet = folder_of(tmp_path) / "to_label.csv"
    sheet.write_text(sheet.read_text() + "tile3,wet\n")  # a label nobody asked for is kept too
    fill_in(sheet)
    before = {row["name"]: row["label"] for row in rows_of(sheet)}
    run([*argv, "--overwrite"], 3)  # its initial pool is labelled already: the first round asks
    after = {row["name"]: row["label"] for row in rows_of(sheet)}
    assert {name: after[name] for name in before} == before
    assert list(after.values()).count("") == 2 - ("tile3" in unfinished_names_of(tmp_path))


def test_labels_that_people_write_while_a_round_runs_stay(own_tiles: TinySet, tmp_path: Path, monkeypatch, capsys):
    (own_tiles.folder / "scene_labels.csv").unlink()
    argv = options(own_tiles, tmp_path)
    run(argv, 3)
    sheet = folder_of(tmp_path) / "to_label.csv"
    first = {row["name"] for row in rows_of(sheet)}

    def after_rounds(self: ActiveLearner) -> bool:
        assert fill_in(sheet, "sure") == 2
        return True

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(ActiveLearner, "waits_for_labels", property(after_rounds))
        run([*argv, "--resume"], 3)
    assert {(row["name"], row["label"]) for row in rows_of(sheet)} == {(n, *true_classes([n])) for n in first}
    assert "were written into" in capsys.readouterr().out
    assert not (folder_of(tmp_path) / "to_label.png").exists()


def test_scene_classes_and_labels_from_elsewhere(own_tiles: TinySet, tmp_path: Path, capsys):
    labels = shutil.copy(own_tiles.folder / "scene_labels.csv", tmp_path / "mine.csv")
    description = json.loads((own_tiles.folder / "dataset.json").read_text())
    del description["scene_classes"], description["scene_labels"]
    (own_tiles.folder / "dataset.json").write_text(json.dumps(description))
    assert "give --scene-classes" in error_of(capsys, options(own_tiles, tmp_path), 2)
    assert "two different names" in error_of(capsys, options(own_tiles, tmp_path, scene_classes="dry,dry"), 2)
    val_list = own_tiles.folder / "val.txt"
    run(options(own_tiles, tmp_path, scene_classes="dry,wet", oracle=labels, val_list=val_list))
    assert len(names_of(tmp_path)) == 4
    assert record_of(tmp_path)["rounds"][0]["true"] == true_classes(names_of(tmp_path)[:2])


def test_scene_classes_that_contradict_the_data_set(tiles: TinySet, tmp_path: Path, capsys):
    assert "contradicts the data set" in error_of(capsys, options(tiles, tmp_path, scene_classes="dry,damp"), 2)
    run(options(tiles, tmp_path, scene_classes="dry,wet", num_epochs=1))


def test_mistakes_in_labels_are_listed_with_their_lines(tiles: TinySet, tmp_path: Path, capsys):
    path = tmp_path / "labels.csv"
    path.write_text("name,label\ntile1,wet\ntile2,wett\nnowhere,dry\n\ntile1,dry\ntile3,\n")
    line = error_of(capsys, options(tiles, tmp_path, oracle=path), 1)
    assert "3 labels cannot be used" in line
    assert "labels.csv, line 3: 'tile2' has unknown scene class 'wett'; did you mean wet?" in line
    assert "labels.csv, line 4: 'nowhere' is not in the list of tiles" in line
    assert "labels.csv, line 6: 'tile1' is dry here and wet in labels.csv, line 2" in line


def test_an_oracle_that_is_not_there(tiles: TinySet, own_tiles: TinySet, tmp_path: Path, capsys):
    assert "neither dataset nor people" in error_of(capsys, options(tiles, tmp_path, oracle="nobody.csv"), 2)
    (own_tiles.folder / "scene_labels.csv").unlink()
    assert "give --oracle people" in error_of(capsys, options(own_tiles, tmp_path, oracle="dataset"), 1)


def test_people_are_asked_although_the_data_set_knows(tiles: TinySet, tmp_path: Path):
    run(options(tiles, tmp_path, oracle="people"), 3)
    assert len(rows_of(folder_of(tmp_path) / "to_label.csv")) == 2


# --- a second round ---------------------------------------------------------------------------------------------------


def test_tiles_with_masks_are_neither_asked_for_nor_forgotten(own_tiles: TinySet, tmp_path: Path, capsys):
    """Two have a scene label, one a mask of a single class, one a mask of many."""
    masks = own_tiles.folder / "masks"
    for name in own_tiles.names[4:]:
        (masks / f"{name}.png").unlink()
    (own_tiles.folder / "scene_labels.csv").write_text("name,label\ntile0,dry\ntile1,wet\n")
    description = json.loads((own_tiles.folder / "dataset.json").read_text())
    (own_tiles.folder / "dataset.json").write_text(json.dumps(description | {"classes": ["Dry", "wet", "other"]}))
    (masks / "tile2.png").write_bytes(image_file(np.full((32, 32), 1, np.uint8)))
    (masks / "tile3.png").write_bytes(image_file(np.uint8([[0], [1]]).repeat(16, 0).repeat(32, 1)))  # half and half
    argv = options(own_tiles, tmp_path, alpha="1", already_labelled="masks")  # an initial pool of four, of which three
    run(argv, 3)
    said = capsys.readouterr().out
    assert "4 of 14 tiles are labelled already and not asked for; 3 of them are learned from: 2 by their scene" in said
    assert "1 by a class that covers more than 50% of the mask" in said
    sheet = folder_of(tmp_path, settings="0.25_1_1") / "to_label.csv"
    assert len(rows_of(sheet)) == 1
    (masks / "tile9.png").write_bytes(image_file(np.zeros((32, 32), np.uint8)))  # drawn meanwhile
    fill_in(sheet)
    run([*argv, "--resume"])
    names, record = names_of(tmp_path, settings="0.25_1_1"), record_of(tmp_path, "margin", "0.25_1_1")
    assert not set(names) & set(own_tiles.names[:4])
    assert len(names) == 4
    assert record["rounds"][0]["labelled"] == 4
    assert (
        record["ledger"] | {"scene_labels_asked_for": 1, "already_labelled": 4, "of_these_learned_from": 3}
        == (record["ledger"])
    )
    assert "--labelled all-masks" in capsys.readouterr().out


def test_masks_that_are_there_are_mentioned_and_a_file_may_name_them(own_tiles: TinySet, tmp_path: Path, capsys):
    (own_tiles.folder / "masks" / "tile3.png").unlink()
    run(options(own_tiles, tmp_path / "plain", num_epochs=1))
    assert "13 of 14 tiles have a mask already and may be asked for; --already-labelled masks leaves" in (
        capsys.readouterr().out
    )
    before = names_of(tmp_path / "plain")
    path = write_list(tmp_path / "before.txt", before)
    run(options(own_tiles, tmp_path / "next", num_epochs=1, already_labelled=path))
    assert not set(names_of(tmp_path / "next")) & set(before)
    everything = write_list(tmp_path / "all.txt", own_tiles.names[:14])
    argv = options(own_tiles, tmp_path / "none", already_labelled=everything)
    assert "has a mask already: there is nothing to choose" in error_of(capsys, argv, 1)
    assert "--dominant-share is used with --already-labelled only" in (
        error_of(capsys, options(own_tiles, tmp_path / "none", dominant_share="0.9"), 2)
    )


# --- tiles that cannot be read ----------------------------------------------------------------------------------------


def damage(tiles: TinySet, *names: str) -> None:
    for name in names:
        (tiles.folder / "images" / f"{name}.png").write_bytes(b"no image")


@pytest.mark.parametrize("flags", [(), ("--no-cache",)])
def test_all_images_are_checked_before_the_first_epoch(own_tiles: TinySet, tmp_path: Path, capsys, flags):
    damage(own_tiles, "tile3", "tile0")
    argv = options(own_tiles, tmp_path, *flags)
    assert "is not an image" in error_of(capsys, argv, 1)
    assert not (tmp_path / "custom").exists()
    run([*argv, "--skip-bad-images"], 4)
    assert record_of(tmp_path)["left_out"] == ["tile0", "tile3"]
    assert not {"tile0", "tile3"} & {*names_of(tmp_path), *record_of(tmp_path)["initial_pool"]}
    assert "2 tiles could not be read and were left out: tile0, tile3" in capsys.readouterr().err
    damage(own_tiles, "tile15")
    val_list = own_tiles.folder / "val.txt"
    run(options(own_tiles, tmp_path / "validated", *flags, "--skip-bad-images", val_list=val_list), 4)
    assert "left out: tile0, tile3, tile15" in capsys.readouterr().err


def test_no_image_can_be_read(own_tiles: TinySet, tmp_path: Path, capsys):
    damage(own_tiles, *own_tiles.names)
    assert "none of the 14" in error_of(capsys, options(own_tiles, tmp_path, "--skip-bad-images"), 1)


@pytest.mark.parametrize("kind", ["labelled", "queried", "pool"])
def test_a_tile_that_turns_unreadable(own_tiles: TinySet, tmp_path: Path, monkeypatch, capsys, kind):
    """After the first round: one that was learned from, one that was just chosen, one that is in the pool."""
    lost: list[str] = []

    def after_a_round(self: ActiveLearner) -> None:
        end_round(self)
        if not lost:
            selection = self.selection
            group = {"labelled": selection.initial, "queried": selection.queried, "pool": selection.pool}[kind]
            lost.append(own_tiles.names[group[0]])
            damage(own_tiles, *lost)

    end_round = ActiveLearner.end_round
    monkeypatch.setattr(ActiveLearner, "end_round", after_a_round)
    argv = options(own_tiles, tmp_path, "--no-cache")
    line = error_of(capsys, argv, 1)
    assert f"{lost[0]}.png is not an image" in line
    assert "the state is saved" in line
    assert len(unfinished_names_of(tmp_path)) == 2
    run([*argv, "--resume", "--skip-bad-images"], 4)
    record = record_of(tmp_path)
    assert record["left_out"] == lost
    assert lost[0] not in names_of(tmp_path)
    assert len(names_of(tmp_path)) == 4  # one more was asked for instead
    if kind == "labelled":
        assert record["rounds"][1]["labelled"] == 3

    out = tmp_path / "at once"  # without a stop between
    shutil.copy(own_tiles.folder / "images" / "tile17.png", own_tiles.folder / "images" / f"{lost.pop()}.png")
    run(options(own_tiles, out, "--no-cache", "--skip-bad-images"), 4)
    assert record_of(out)["left_out"] == lost
    assert len(set(names_of(out)) - set(lost)) == 4


def test_without_a_readable_tile_to_learn_from_the_first_choice_is_made_without_a_classifier(
    own_tiles: TinySet, tmp_path: Path
):
    run(options(own_tiles, tmp_path / "before"))
    damage(own_tiles, *record_of(tmp_path / "before")["initial_pool"])
    run(options(own_tiles, tmp_path / "after", "--skip-bad-images"), 4)
    record = record_of(tmp_path / "after")
    assert record["initial_pool"] == []
    assert [r["probabilities"] == [None, None] for r in record["rounds"]] == [True, False]


# --- several processes ------------------------------------------------------------------------------------------------


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


# --- Where the chosen tiles lie --------------------------------------------------------------------------------------


def chosen_in(path: Path) -> dict[str, bool]:
    meta, _, _, values = pyogrio.raw.read(path, read_geometry=False)
    fields = dict(zip(meta["fields"], (column.tolist() for column in values), strict=True))
    return dict(zip(fields["name"], fields["chosen"], strict=True))


@pytest.fixture
def placed_tiles(tmp_path: Path) -> TinySet:
    tiny = write_overlapping(tmp_path / "placed", "EPSG:32640")
    records = read_tiles_csv(tiny.folder / "tiles.csv")
    write_gpkg(tiny.folder / "tiles.gpkg", records, {"tile0": {"field": 0.5, "forest": 0.5}})
    return tiny


def test_footprints_say_which_tiles_were_chosen(placed_tiles: TinySet, tmp_path: Path):
    run(options(placed_tiles, tmp_path, data_list=placed_tiles.list_path, labeled_ratio="0.5"))
    path = folder_of(tmp_path, settings="0.5_0.5_1") / "tiles.gpkg"
    names = names_of(tmp_path, settings="0.5_0.5_1")
    assert len(names) == 2
    assert chosen_in(path) == {name: name in names for name in [*placed_tiles.names, "other"]}
    assert read_shares(path)["tile0"] == {"field": 0.5, "forest": 0.5}
    left = path.with_name(".tiles.gpkg.1-ab.gpkg-journal")  # of a process that was killed
    left.touch()
    run(options(placed_tiles, tmp_path, "--overwrite", data_list=placed_tiles.list_path, labeled_ratio="0.5"))
    assert path.is_file()
    assert not left.exists()


def test_tiles_without_a_place_have_no_footprints(tmp_path: Path):
    tiny = write_overlapping(tmp_path / "custom")
    run(options(tiny, tmp_path, data_list=tiny.list_path, labeled_ratio="0.5"))
    assert not list(tmp_path.rglob("tiles.gpkg"))


def test_footprints_are_written_after_each_round(placed_tiles: TinySet, tmp_path: Path, monkeypatch):
    written = []
    monkeypatch.setattr(train_AL, "write_chosen", lambda *args: written.append(list(args[-1])))
    run(options(placed_tiles, tmp_path, data_list=placed_tiles.list_path, labeled_ratio="0.75", alpha="0.4"))
    names = names_of(tmp_path, settings="0.75_0.4_1")
    assert written == [names[:1], names[:2], names, names]
