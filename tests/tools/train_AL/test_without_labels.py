"""Choices for which nobody has to know what tiles show."""

import json
import shutil
import signal
from pathlib import Path

import pytest

from model.networks.classifier import Classifier
from tests.conftest import TinySet
from tests.tools.train_AL.conftest import error_of, folder_of, names_of, options, record_of, run
from tests.tools.train_AL.interruptions import before, forked, killed_at
from tools import train_AL
from utils.selection.names import WITHOUT_CLASSIFIER
from utils.selection.settings import QuerySettings
from utils.selection.strategies import STRATEGIES


@pytest.fixture
def unlabelled(own_tiles: TinySet) -> TinySet:
    """The tiles, of which neither scene labels nor scene classes are known."""
    (own_tiles.folder / "scene_labels.csv").unlink()
    path = own_tiles.folder / "dataset.json"
    left = {key: value for key, value in json.loads(path.read_text()).items() if not key.startswith("scene_")}
    path.write_text(json.dumps(left))
    return own_tiles


def test_random_tiles_where_nothing_is_known_and_nobody_is_asked(unlabelled: TinySet, tmp_path: Path, capsys):
    run(options(unlabelled, tmp_path, query_strategy="random"))
    said = capsys.readouterr().out
    assert "to choose 4 with random: 2 rounds of 2" in said
    assert "random needs no scene labels: people are not asked" in said
    assert "people are asked" not in said
    assert "round 2/2: 4 chosen" in said
    assert "scene labels asked for: 0; masks to draw: 4\n" in said
    assert len(set(names_of(tmp_path, "random"))) == 4
    assert record_of(tmp_path, "random")["initial_pool"] == []  # no tile is kept back for a classifier
    folder = folder_of(tmp_path, "random")
    assert not (folder / "to_label.csv").exists()
    assert {path.name for path in folder.glob("*.png")} == {"chosen.png"}  # no curves of what was not learned


def test_labels_that_the_data_set_has_are_learned_from_all_the_same(tiles: TinySet, tmp_path: Path, capsys):
    run(options(tiles, tmp_path, query_strategy="random"))
    assert "scene labels asked for: 4; masks to draw: 4, the initial pool of 2 not included" in capsys.readouterr().out


def test_labels_that_come_later_change_no_choice(unlabelled: TinySet, tiles: TinySet, tmp_path: Path):
    def parts(out: Path, *flags: str) -> list[str]:
        return options(unlabelled, out, "--scene-classes", "dry,wet", *flags, query_strategy="random")

    run(parts(tmp_path / "whole"))

    def work() -> int:
        train_AL.ActiveLearner.ask = before(train_AL.ActiveLearner.ask, killed_at(2))
        return train_AL.main(parts(tmp_path / "killed"))

    assert forked(work) == -signal.SIGKILL
    shutil.copy(tiles.folder / "scene_labels.csv", unlabelled.folder / "scene_labels.csv")
    shutil.copy(tiles.folder / "dataset.json", unlabelled.folder / "dataset.json")
    run(parts(tmp_path / "killed", "--resume"))
    assert names_of(tmp_path / "killed", "random") == names_of(tmp_path / "whole", "random")


@pytest.mark.parametrize(("strategy", "weights"), [("random", "none"), ("margin", "imagenet")])
def test_weights_are_fetched_only_where_they_are_used(
    unlabelled: TinySet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, weights: str
):
    built = []

    def build(settings, *_):
        built.append(settings.classifier_weights)
        return Classifier("tiny", 2)

    monkeypatch.setattr(train_AL, "build_classifier", build)
    argv = options(unlabelled, tmp_path, "--scene-classes", "dry,wet", query_strategy=strategy, model_name="res50")
    run(argv, 0 if strategy == "random" else 3)
    assert built == [weights]


def test_people_are_asked_where_it_is_said_that_they_know(tiles: TinySet, tmp_path: Path):
    run(options(tiles, tmp_path, "--oracle", "people", query_strategy="random"), 3)
    assert (folder_of(tmp_path, "random") / "to_label.csv").is_file()


@pytest.mark.parametrize("strategy", ["margin", "typiclust"])
def test_what_learns_needs_scene_classes(unlabelled: TinySet, tmp_path: Path, capsys, strategy: str):
    line = error_of(capsys, options(unlabelled, tmp_path, query_strategy=strategy), 2)
    assert "names no scene classes; give --scene-classes" in line


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_learns_is_what_needs_a_classifier_or_its_features(strategy: str):
    needed = STRATEGIES[strategy]
    assert (strategy not in WITHOUT_CLASSIFIER) == needed.classifier
    assert QuerySettings(strategy).learns == (needed.classifier or needed.features)
    if needed.features:
        assert QuerySettings(strategy, features="pretrained").learns == needed.classifier
