"""Choices for which nobody has to know what tiles show."""

import json
from pathlib import Path

import pytest

from model.networks.classifier import Classifier
from tests.conftest import TinySet
from tests.tools.train_AL.conftest import error_of, folder_of, names_of, options, record_of, run
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


def test_random_tiles_are_those_that_a_labelled_set_gives_and_nobody_is_asked(
    tiles: TinySet, unlabelled: TinySet, tmp_path: Path, capsys
):
    run(options(tiles, tmp_path / "known", query_strategy="random"))
    capsys.readouterr()
    run(options(unlabelled, tmp_path / "unknown", query_strategy="random"))
    said = capsys.readouterr().out
    assert "random needs no scene labels: people are not asked" in said
    assert "people are asked" not in said
    assert "round 2/2: 4 chosen" in said
    assert "scene labels asked for: 0; masks to draw: 4" in said
    assert names_of(tmp_path / "unknown", "random") == names_of(tmp_path / "known", "random")
    assert record_of(tmp_path / "known", "random")["ledger"]["scene_labels_asked_for"] == 4
    folder = folder_of(tmp_path / "unknown", "random")
    assert not (folder / "to_label.csv").exists()
    assert {path.name for path in folder.glob("*.png")} == {"chosen.png"}  # no curves of what was not learned


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
