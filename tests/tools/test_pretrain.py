"""Pre-training as a command: what it leaves, interruptions, several processes, and what takes its weights."""

import json
import re
import shlex
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.pretraining.run import PretrainingRun
from model.training import TrainingRun
from model.weights.pretrained import pretraining_of
from tests.conftest import TinySet, contents, error_line, write_custom
from tests.tools.train_AL.interruptions import before, forked, killed_at
from tests.tools.train_s4gan.conftest import assert_equal
from tests.utils.compute.test_distributed import in_processes
from tools import auto_evaluate, pretrain, train_AL, train_s4gan
from utils.digests import name_digest
from utils.runs.log import read_rows
from utils.selection import results

STEPS = 5  # two epochs of ten tiles in batches of four


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.pretraining.run.plot_curves", lambda *_, **__: None)
    monkeypatch.setattr(pretrain, "draw_views", lambda *_: None)
    monkeypatch.setattr("model.training.plot_curves", lambda *_, **__: None)
    monkeypatch.setattr(TrainingRun, "_save_panels", lambda *_: None)
    for name in ("save_bars", "plot_curves", "save_contact_sheets"):
        monkeypatch.setattr(results, name, lambda *_, **__: None)


def options(tiles: TinySet, out: Path, *flags: str, **changes: object) -> list[str]:
    settings = {
        "dataset": "custom", "data_dir": tiles.folder, "data_list": tiles.folder / "train.txt", "save_dir": out,
        "backbone": "tiny", "num_epochs": 2, "batch_size": 4, "input_size": "32,32", "save_state_every": 2,
        "log_every": 1, "device": "cpu", "precision": "fp32", "val_list": tiles.folder / "val.txt",
    } | changes  # fmt: skip
    given = [str(part) for name, value in settings.items() if value is not None for part in (f"--{name}", value)]
    return [*given, *flags]


def run(argv: list[str], code: int = 0) -> None:
    assert pretrain.main(argv) == code


@pytest.fixture(scope="module")
def uninterrupted(training_tiles: TinySet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that interrupted ones have to repeat."""
    out = tmp_path_factory.mktemp("pretrained")
    run(options(training_tiles, out))
    return out


@pytest.fixture(scope="module")
def on_scenes(training_tiles: TinySet, uninterrupted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that went on with those, on scene labels."""
    out = tmp_path_factory.mktemp("on_scenes")
    run(options(training_tiles, out, task="scenes", restore_from=uninterrupted / "backbone.pth", val_list=None))
    return out


def assert_same_run(out: Path, expected: Path) -> None:
    """Weights, state, numbers and neighbours are the same; seconds are not."""
    for name in ("backbone.pth", "last.pth"):
        assert_equal(*(torch.load(folder / name, weights_only=True) for folder in (out, expected)), name)
    rows, others = (
        [{k: v for k, v in row.items() if k not in ("wait_ms", "tiles_per_s")} for row in read_rows(f / "metrics.csv")]
        for f in (out, expected)
    )
    assert rows == others
    assert (out / "neighbours.json").read_text() == (expected / "neighbours.json").read_text()
    assert not list(out.glob(".*"))


# --- what a run leaves ------------------------------------------------------------------------------------------------


def test_a_run_leaves_weights_that_say_what_they_are(training_tiles: TinySet, uninterrupted: Path):
    told = pretraining_of(uninterrupted / "backbone.pth")
    assert told is not None
    assert (told.task, told.backbone, told.steps, told.input_size) == ("self", "tiny", STEPS, (32, 32))
    (seen,) = told.seen
    assert (seen.how, seen.names) == ("self", tuple(map(name_digest, training_tiles.names[:10])))
    assert len(set(seen.pixels)) == 10
    rows = read_rows(uninterrupted / "metrics.csv")
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5]
    assert all(float(row[name]) > 0 for row in rows for name in ("loss", "invariance", "variance", "learning_rate"))
    neighbours = json.loads((uninterrupted / "neighbours.json").read_text())
    assert neighbours["step"] == STEPS
    assert {0 <= neighbours[moment] <= 1 for moment in ("before", "after")} == {True}


def test_the_same_seed_gives_the_same_weights_with_any_workers(
    training_tiles: TinySet, uninterrupted: Path, tmp_path: Path
):
    run(options(training_tiles, tmp_path, "--no-cache", num_workers=2))
    assert_same_run(tmp_path, uninterrupted)


def test_scene_labels_are_learned_from_where_they_are_asked_for(training_tiles: TinySet, on_scenes: Path):
    told = pretraining_of(on_scenes / "backbone.pth")
    assert told is not None
    assert [seen.how for seen in told.seen] == ["scenes", "self"]  # what the first weights had seen, too
    assert [len(seen.names) for seen in told.seen] == [8, 10]  # two of ten are held out
    assert float(read_rows(on_scenes / "metrics.csv")[-1]["accuracy"]) >= 0


def test_it_says_what_was_measured_and_prints_commands_that_run(
    training_tiles: TinySet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.chdir(tmp_path)
    run(options(training_tiles, tmp_path / "out"))
    said = capsys.readouterr().out
    assert re.search(
        r"5 nearest neighbours tell the scene class of [\d.]+% of 4 tiles \(.*val.txt\); with the first", said
    )
    choose, train = (shlex.split(line)[2:] for line in said.splitlines() if line.startswith("python "))
    small = ["--num-epochs", "1", "--input-size", "32,32", "--device", "cpu"]
    assert train_AL.main([*choose, *small, "--labeled-ratio", "0.5"]) == 0
    again = [line for line in capsys.readouterr().out.splitlines() if line.startswith("python ")]
    assert f"--backbone tiny --restore-from {tmp_path / 'out' / 'backbone.pth'}" in again[-1]
    assert "NAMES.npy" in train
    train[train.index("NAMES.npy")] = "active_learning/custom/typiclust_names_0.5_0.5_1.npy"
    assert train_s4gan.main([*train, *small[2:], "--num-steps", "1", "--batch-size", "1"]) == 0


# --- interrupted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [1, 3])  # before a first state of its own, and after one
def test_killed_it_ends_as_if_nothing_had_been(training_tiles: TinySet, uninterrupted: Path, tmp_path: Path, call: int):
    argv = options(training_tiles, tmp_path / "run")

    def work() -> int:
        PretrainingRun.after_step = before(PretrainingRun.after_step, killed_at(call))
        return pretrain.main(argv)

    assert forked(work) == -signal.SIGKILL
    run([*argv, "--resume"])
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_time_limit_saves_and_the_run_goes_on(training_tiles: TinySet, uninterrupted: Path, tmp_path: Path, capsys):
    argv = options(training_tiles, tmp_path / "run")
    run([*argv, "--max-hours", "1e-9"])
    assert "the time limit of --max-hours was reached: state and weights saved after step 1" in capsys.readouterr().out
    told = pretraining_of(tmp_path / "run" / "backbone.pth")
    assert told is not None
    assert told.steps == 1
    run([*argv, "--resume"])
    run([*argv, "--resume"])  # a finished run has nothing to do
    assert_same_run(tmp_path / "run", uninterrupted)


def test_another_run_is_not_gone_on_with(training_tiles: TinySet, uninterrupted: Path, tmp_path: Path, capsys):
    def refused(tiles: TinySet, code: int, *flags: str, **changes: object) -> str:
        files = contents(uninterrupted)
        line = error_line(capsys, code, pretrain.main, options(tiles, uninterrupted, *flags, **changes))
        assert contents(uninterrupted) == files
        return line

    assert "holds a pre-training already; give --resume to go on, --overwrite to replace it" in refused(
        training_tiles, 2
    )
    line = refused(training_tiles, 2, "--resume", jitter=0.5, num_workers=1)
    assert "cannot be resumed with other options: --jitter was 1.0 and is 0.5; give the same ones" in line
    copied = write_custom(tmp_path / "tiles", 14)
    for name in ("train.txt", "val.txt"):
        (copied.folder / name).write_text((training_tiles.folder / name).read_text())
    recorded = json.loads((uninterrupted / "options.json").read_text())["tiles"]
    assert recorded == pretraining_of(uninterrupted / "backbone.pth").seen[0].digest
    same = {"data_dir": training_tiles.folder, "data_list": training_tiles.folder / "train.txt"}
    fewer = tmp_path / "train.txt"
    fewer.write_text("".join(f"{name}\n" for name in training_tiles.names[1:10]))
    assert "--data-list was" in refused(training_tiles, 2, "--resume", **(same | {"data_list": fewer}))
    assert "holds no pre-training to resume" in error_line(
        capsys, 2, pretrain.main, options(training_tiles, tmp_path / "nothing", "--resume")
    )


def test_tiles_that_have_changed_are_noticed(training_tiles: TinySet, tmp_path: Path, capsys):
    tiles = write_custom(tmp_path / "tiles", 14)
    for name in ("train.txt", "val.txt"):
        (tiles.folder / name).write_text((training_tiles.folder / name).read_text())
    argv = options(tiles, tmp_path / "run", "--max-hours", "1e-9", val_list=None)
    run(argv)
    images = tiles.folder / "images"
    (images / "tile0.png").write_bytes((images / "tile13.png").read_bytes())
    capsys.readouterr()
    line = error_line(capsys, 1, pretrain.main, [*argv, "--resume"])
    assert "are not those that it began with; bring them back, or start over with --overwrite" in line


def test_a_loss_that_breaks_is_told_with_its_tiles(training_tiles: TinySet, tmp_path: Path, capsys):
    line = error_line(capsys, 1, pretrain.main, options(training_tiles, tmp_path / "run", learning_rate=1e30))
    assert re.search(
        r"the losses of step \d were not finite \(tiles: tiles tile\d+, tile.*; lower --learning-rate", line
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 11}, "--batch-size 11 exceeds the 10 tiles that can be learned from; lower it"),
        ({"val_list": "train.txt"}, "10 tiles are in --val-list and in --data-list, such as 'tile0'"),
        ({"restore_from": "nowhere.pth"}, "nowhere.pth does not exist"),
        ({"task": "scene"}, "unknown task 'scene'; did you mean scenes?"),
        ({"restore_from": "folder"}, "--restore-from"),
    ],
)
def test_what_cannot_be_is_refused(training_tiles: TinySet, tmp_path: Path, capsys, changes: dict, words: str):
    if changes.get("val_list"):
        changes = {"val_list": training_tiles.folder / "train.txt"}
    if changes.get("restore_from") == "folder":
        changes = {"restore_from": tmp_path}
    code = 1 if "val_list" in changes else 2
    assert words in error_line(capsys, code, pretrain.main, options(training_tiles, tmp_path / "run", **changes))


def test_folders_of_other_commands_are_left_alone(training_tiles: TinySet, checkpoints: Path, on_scenes: Path, capsys):
    for main, argv in (
        (pretrain.main, options(training_tiles, checkpoints, "--overwrite")),
        (train_s4gan.main, s4gan_options(training_tiles, on_scenes, "--overwrite")),
    ):
        assert "was written by another command" in error_line(capsys, 2, main, argv)


# --- several processes ------------------------------------------------------------------------------------------------


def test_two_processes_go_on_together(training_tiles: TinySet, tmp_path: Path):
    whole, parts = options(training_tiles, tmp_path / "whole"), options(training_tiles, tmp_path / "parts")

    assert in_processes(2, lambda: pretrain.main(whole)) == [0, 0]
    assert in_processes(2, lambda: pretrain.main([*parts, "--max-hours", "1e-9"])) == [0, 0]
    assert in_processes(2, lambda: pretrain.main([*parts, "--resume"])) == [0, 0]
    assert_same_run(tmp_path / "parts", tmp_path / "whole")
    assert json.loads((tmp_path / "whole" / "options.json").read_text())["machine"]["processes"] == 2


def test_a_batch_that_cannot_be_shared_is_refused(training_tiles: TinySet, tmp_path: Path):
    def work() -> int:
        return pretrain.main(options(training_tiles, tmp_path / "run", batch_size=3))

    assert in_processes(2, work) == [2, 2]


# --- what takes the weights -------------------------------------------------------------------------------------------


def s4gan_options(tiles: TinySet, out: Path, *flags: str, **changes: object) -> list[str]:
    settings = {
        "dataset": "custom", "data_dir": tiles.folder, "data_list": tiles.list_path, "backbone": "tiny",
        "threshold_st": 0.5, "num_steps": 1, "batch_size": 1, "input_size": "32,32", "labeled_ratio": 0.3,
        "device": "cpu", "precision": "fp32", "checkpoint_dir": out, "restore_from": "none",
    } | changes  # fmt: skip
    return [*(str(part) for name, value in settings.items() for part in (f"--{name}", value)), *flags]


def test_a_run_says_that_it_is_validated_and_evaluated_on_tiles_that_its_weights_saw(
    training_tiles: TinySet, on_scenes: Path, tmp_path: Path, capsys
):
    train = training_tiles.folder / "train.txt"
    weights = {"restore_from": on_scenes / "backbone.pth", "val_list": train, "labeled_ratio": 0.1}
    assert train_s4gan.main(s4gan_options(training_tiles, tmp_path / "run", **weights)) == 0
    said = capsys.readouterr()
    scenes = (
        f"8 of 10 tiles of {train}, by name or by pixels, were pre-trained on with their scene labels (backbone.pth)"
    )
    alone = f"2 of 10 tiles of {train}, by name or by pixels, were pre-trained on without labels (backbone.pth)"
    assert f"warning: {scenes}: scores on them are optimistic" in said.err
    assert f"warning: {alone}: scores on them may be optimistic" in said.err
    recorded = json.loads((tmp_path / "run" / "options.json").read_text())
    assert recorded["imagenet_weights"] is False
    assert [seen["tiles"] for seen in recorded["weights"]["seen"]] == [8, 10]

    lists = ["--data-list", str(train), "--test-list", str(training_tiles.folder / "val.txt")]
    places = ["--data-dir", str(training_tiles.folder), "--checkpoint-dir", str(tmp_path / "run")]
    argv = ["--all", "--dataset", "custom", *places, *lists, "--save-dir", str(tmp_path / "results")]
    assert auto_evaluate.main([*argv, "--device", "cpu", "--resamples", "100", "--no-calibration"]) == 0
    said_there = capsys.readouterr().out
    assert [line.partition(":")[0] for line in said_there.splitlines() if "pre-trained" in line] == [scenes, alone]
    assert scenes in (tmp_path / "results" / "report.html").read_text()


def learner_options(tiles: TinySet, out: Path, *flags: str, **changes: object) -> list[str]:
    settings = {
        "dataset": "custom", "data_dir": tiles.folder, "data_list": tiles.folder / "train.txt", "save_dir": out,
        "query_strategy": "coreset", "labeled_ratio": "0.4", "alpha": "0.5", "beta": "1", "model_name": "tiny",
        "num_epochs": 1, "batch_size": 2, "score_batch_size": 3, "input_size": "32,32", "device": "cpu",
        "precision": "fp32",
    } | changes  # fmt: skip
    return [*(str(part) for name, value in settings.items() for part in (f"--{name}", value)), *flags]


def chosen(out: Path, strategy: str = "coreset") -> list[str]:
    return np.load(out / "custom" / f"{strategy}_names_0.4_0.5_1.npy", allow_pickle=False).tolist()


def test_the_learner_says_that_its_weights_know_the_pools_labels(
    training_tiles: TinySet, on_scenes: Path, tmp_path: Path, capsys
):
    val = {"val_list": training_tiles.folder / "val.txt", "query_strategy": "margin"}
    weights = on_scenes / "backbone.pth"
    assert train_AL.main(learner_options(training_tiles, tmp_path, classifier_weights=weights, **val)) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert "8 of 10 tiles of" in line
    assert "were pre-trained on with their scene labels (backbone.pth): the classifier knows them already" in line


@pytest.mark.parametrize("strategy", ["coreset", "badge", "typiclust"])
def test_strategies_look_at_features_that_stay_as_they_were(
    training_tiles: TinySet, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, capsys
):
    """Features of all tiles are looked at once, before anything is learned, by the first weights."""
    seen = []
    query = train_AL.Selection.query

    def watched(self, probabilities, features, labelled_features, disagreement):  # type: ignore[no-untyped-def]
        seen.append((self.pool, features, labelled_features, list(self.labelled)))
        return query(self, probabilities, features, labelled_features, disagreement)

    monkeypatch.setattr(train_AL.Selection, "query", watched)
    weights = {"classifier_weights": uninterrupted / "backbone.pth", "query_strategy": strategy}
    assert train_AL.main(learner_options(training_tiles, tmp_path, "--features", "pretrained", **weights)) == 0
    assert len(chosen(tmp_path, strategy)) == 4
    assert (
        "warning" not in capsys.readouterr().err
    )  # that images were seen without labels is what these weights are for
    assert len(seen) == 2
    rows: dict[int, torch.Tensor] = {}
    for pool, features, labelled_features, labelled in seen:
        assert features.shape == (len(pool), 512)
        for tile, row in zip([*pool.tolist(), *labelled], [*features, *labelled_features], strict=True):
            torch.testing.assert_close(rows.setdefault(int(tile), row), row, rtol=0, atol=0)
    assert len(rows) == 10


@pytest.mark.parametrize("strategy", ["coreset", "typiclust"])
def test_fixed_features_choose_without_a_single_scene_label(
    training_tiles: TinySet, uninterrupted: Path, tmp_path: Path, strategy: str, capsys
):
    unlabelled = tmp_path / "tiles"
    shutil.copytree(training_tiles.folder, unlabelled)
    (unlabelled / "scene_labels.csv").unlink()
    tiles = replace(training_tiles, folder=unlabelled)
    weights = {"classifier_weights": uninterrupted / "backbone.pth", "query_strategy": strategy}
    assert train_AL.main(learner_options(tiles, tmp_path / "out", "--features", "pretrained", **weights)) == 0
    assert "scene labels asked for: 0; masks to draw: 4" in capsys.readouterr().out
    assert len(set(chosen(tmp_path / "out", strategy))) == 4


def test_a_resumed_run_has_the_same_features_and_needs_the_same_file(
    training_tiles: TinySet, uninterrupted: Path, tmp_path: Path, capsys
):
    weights = tmp_path / "weights.pth"
    weights.write_bytes((uninterrupted / "backbone.pth").read_bytes())

    def argv(out: str) -> list[str]:
        return learner_options(training_tiles, tmp_path / out, "--features", "pretrained", classifier_weights=weights)

    assert train_AL.main(argv("whole")) == 0

    def work() -> int:
        train_AL.ActiveLearner.ask = before(train_AL.ActiveLearner.ask, killed_at(2))
        return train_AL.main(argv("parts"))

    assert forked(work) == -signal.SIGKILL
    changed = torch.load(weights, weights_only=True)
    kept = weights.read_bytes()
    changed["state_dict"]["conv1.weight"] += 1
    torch.save(changed, weights)
    line = error_line(capsys, 1, train_AL.main, [*argv("parts"), "--resume"])
    assert "weights.pth has changed since this run began; restore it, or begin with --overwrite" in line
    weights.write_bytes(kept)
    assert train_AL.main([*argv("parts"), "--resume"]) == 0
    assert chosen(tmp_path / "parts") == chosen(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"query_strategy": "margin"}, "--features pretrained is for the strategies coreset, badge, typiclust"),
        ({"classifier_weights": "none"}, "--features pretrained needs weights that know something"),
        ({}, "--features pretrained needs weights that know something"),  # ImageNet has none of tiny
    ],
)
def test_features_that_cannot_be_are_refused(
    training_tiles: TinySet, tmp_path: Path, capsys, changes: dict, words: str
):
    argv = learner_options(training_tiles, tmp_path, "--features", "pretrained", **changes)
    assert words in error_line(capsys, 2, train_AL.main, argv)
