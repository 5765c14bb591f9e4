"""Algorithm 1 from Python: tiles, batches and labels that are arrays, and no data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from model.learning.active_learner import ActiveLearner
from model.learning.learner import Learner, Scores
from model.networks.classifier import Classifier
from model.settings import LearnerSettings
from utils.errors import DataError
from utils.imagery.labels import UNREADABLE
from utils.selection import Budget, QuerySettings, SceneTiles, Selection, SelectionFolder, results

TILES, SIZE = 12, 32
QUERY = QuerySettings("margin", dropout_passes=2)


class Batch(NamedTuple):
    image: Tensor
    label: Tensor
    size: Tensor
    tile: Tensor


@dataclass
class ArrayBatches:
    """Batches of arrays in memory."""

    images: np.ndarray
    labels: np.ndarray
    unreadable: tuple[int, ...] = ()
    score_batch_size: int = 4

    def fitting(self, tiles: Any, round_number: int, first_batch: int = 0) -> list[Batch]:
        return [self._batch(tiles[start : start + 2]) for start in range(0, len(tiles), 2)][first_batch:]

    def scoring(self, tiles: Any, first_batch: int = 0) -> list[Batch]:
        return [self._batch(tiles[start : start + 4]) for start in range(0, len(tiles), 4)][first_batch:]

    def _batch(self, tiles: Any) -> Batch:
        labels = [UNREADABLE if tile in self.unreadable else int(self.labels[tile]) for tile in tiles]
        image = torch.from_numpy(self.images[tiles]).permute(0, 3, 1, 2)
        return Batch(image, torch.tensor(labels), torch.tensor([[SIZE, SIZE]] * len(tiles)), torch.tensor(tiles))


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("save_bars", "plot_curves", "save_contact_sheets"):
        monkeypatch.setattr(results, name, lambda *_, **__: None)


def learner_of(out: Path, labels: np.ndarray | None = None, **changes: Any) -> ActiveLearner:
    """Dark tiles of one class, bright ones of another; two rounds of two after an initial pool of two."""
    rng, known = np.random.default_rng(0), np.arange(TILES) % 2
    images = (rng.integers(0, 100, (TILES, SIZE, SIZE, 3)) + 150 * known[:, None, None, None]).astype(np.uint8)
    labels = known if labels is None else labels
    tiles = SceneTiles([f"t{n}" for n in range(TILES)], ("dark", "bright"), labels, images.__getitem__, (SIZE, SIZE))
    torch.manual_seed(0)
    learner = Learner(Classifier("tiny", 2), torch.device("cpu"), "fp32", 0.01, 0.9)
    selection = Selection(TILES, Budget(target=4, initial=2, per_query=2), "margin", seed=0)
    folder = SelectionFolder(out, "arrays", QUERY, 0, {"query_strategy": "margin"})
    batches = ArrayBatches(images, labels, **changes)
    return ActiveLearner(tiles, batches, selection, learner, folder, QUERY, LearnerSettings())


def rounds(active: ActiveLearner) -> Iterator[int]:
    """Run rounds, with a number after each."""
    while not (active.is_over or active.waits_for_labels):
        active.fit()
        active.validate()
        active.ask(*active.score())
        yield len(active.selection.rounds)


def test_rounds_choose_publish_and_count_what_they_cost(tmp_path: Path):
    active = learner_of(tmp_path)
    active.begin()
    assert list(rounds(active)) == [1, 2]
    active.finish()
    active.close()
    names = np.load(active.folder.names, allow_pickle=False).tolist()
    assert names == [f"t{tile}" for tile in active.selection.result]
    assert len(set(names)) == 4
    assert np.isfinite(np.load(active.folder.probabilities, allow_pickle=False)).all()
    assert (active.costs["masks_to_draw"], active.costs["scene_labels_asked_for"]) == (4, 4)
    assert not active.folder.partial_names.exists()


def test_a_resumed_run_chooses_what_one_without_a_pause_does(tmp_path: Path):
    whole, paused = learner_of(tmp_path / "whole"), learner_of(tmp_path / "paused")
    whole.begin()
    assert list(rounds(whole)) == [1, 2]
    paused.begin()
    next(rounds(paused))
    paused.close()
    resumed = learner_of(tmp_path / "paused")
    resumed.resume()
    assert resumed.title == "round 2/2"
    assert list(rounds(resumed)) == [2]
    assert resumed.selection.result == whole.selection.result
    assert resumed.selection.predictions() == whole.selection.predictions()


def test_it_waits_where_labels_of_tiles_asked_for_are_missing(tmp_path: Path):
    active = learner_of(tmp_path, np.full(TILES, -1))
    active.begin()
    assert active.waits_for_labels
    assert list(rounds(active)) == []
    assert not active.is_over


def test_a_tile_that_cannot_be_read_ends_the_run_or_is_left_out(tmp_path: Path):
    lost = Selection(TILES, Budget(4, 2, 2), "margin", 0).initial[0]
    strict, lenient = (learner_of(tmp_path / n, unreadable=(lost,)) for n in ("strict", "lenient"))
    strict.begin()
    with pytest.raises(DataError, match=f"'t{lost}' could not be read just now; the state is saved"):
        strict.fit()
    lenient.skip_unreadable = True
    lenient.begin()
    assert list(rounds(lenient)) == [1, 2]
    assert lenient.left_out == [f"t{lost}"]


def test_scores_are_changed_part_by_part():
    scores = Scores(torch.ones(3, 2), None, torch.zeros(3)).each(lambda rows: rows[:1])
    assert scores.probabilities.shape == (1, 2)
    assert scores.features is None
    assert scores.disagreement is not None
    assert scores.disagreement.shape == (1,)
