"""Algorithm 1 of ALS4GAN (Desai and Ghose, WACV 2022): fit a scene classifier, score the pool, ask for labels.

active = ActiveLearner(tiles, batches, selection, learner, folder, QuerySettings(), LearnerSettings())
active.begin()
while not active.is_over:
    active.fit()
    active.ask(*active.score())
active.finish()
"""

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.learning.fixed_features import FixedFeatures
from model.learning.learner import Learner, recent_mean
from model.learning.run import LearningRun
from model.learning.scores import Scores
from model.settings import LearnerSettings
from utils.batches import Batches, TileBatches
from utils.compute import distributed
from utils.errors import DataError
from utils.imagery.labels import UNKNOWN_SCENE, UNREADABLE
from utils.progress import progress
from utils.selection.folder import SelectionFolder
from utils.selection.rounds import Selection
from utils.selection.scene_tiles import SceneTiles
from utils.selection.settings import QuerySettings
from utils.wording import worded


class ActiveLearner(LearningRun):
    """A run and its work, step by step. Several processes call it together.

    Args:
        tiles: the tiles to choose from.
        batches: of these tiles.
        selection: the pool and its rounds.
        learner: the classifier.
        folder: the run's files.
        query: how tiles are chosen, and when the run ends early.
        settings: how the classifier is fitted.
        validation: tiles to measure the accuracy on, with their batches.
        skip_unreadable: leave out tiles that cannot be read; else one ends the run.
        fixed: makes the features that the strategy looks at, where they are not the classifier's.
        needs_labels: see `LearningRun`.
    """

    def __init__(
        self,
        tiles: SceneTiles,
        batches: TileBatches,
        selection: Selection,
        learner: Learner,
        folder: SelectionFolder,
        query: QuerySettings,
        settings: LearnerSettings,
        validation: tuple[SceneTiles, TileBatches] | None = None,
        skip_unreadable: bool = False,
        fixed: FixedFeatures | None = None,
        needs_labels: bool = True,
    ) -> None:
        super().__init__(tiles, selection, learner, folder, query, settings, needs_labels)
        self.batches, self.validation, self.skip_unreadable = batches, validation, skip_unreadable
        self.fixed = fixed
        self._features_of_all: Tensor | None = None  # by `fixed`, of all tiles of the list
        self._first_weights: dict[str, Tensor] = {}
        if settings.retrain == "scratch":
            self._first_weights = {n: t.clone() for n, t in learner.classifier.state_dict().items()}
        self._unreadable: set[int] = set()  # found since the last agreement on `selection.skipped`
        self._unreadable_in_validation: set[int] = set()

    # --- a round: fit, validate, score, ask ---------------------------------------------------------------------------

    def fit(self) -> None:
        """Train on all labels so far, or go on where the state was saved.

        Raises:
            Stopped: on request; the state is saved. So do `validate` and `score`.
            DataError: a tile cannot be read, or the loss is not finite.
        """
        self._clock = time.perf_counter()
        if self.state.is_fitted:
            return
        known, batches_done = self.tiles.labels != UNKNOWN_SCENE, len(self.state.losses)
        tiles = [tile for tile in self.selection.examples if known[tile]]
        if self._first_weights and not batches_done:
            self.learner.load_state_dict({"classifier": self._first_weights})
        batches = self.batches.fitting(tiles, len(self.state.finished), batches_done)
        for loss in self.learner.fit_batches(self._watch(batches, "fit")):
            self.state.losses.append(loss)
            self.after_batch("fit_seconds")
        self.state.numbers["labelled"] = len(tiles)
        if tiles:
            self.state.numbers["loss"] = recent_mean(self.state.losses)
            if not math.isfinite(self.state.numbers["loss"]):
                raise DataError(
                    worded(
                        f"the loss of {self.title} is not finite; lower {{learning_rate}} or use {{precision}} fp32, "
                        "and start over with {overwrite}"
                    )
                )
        self._leave_out_unreadable()
        self.state.losses, self.state.is_fitted = [], True

    def validate(self) -> None:
        """Measure the accuracy on the validation list, if there is one.

        Raises:
            DataError: a tile cannot be read.
        """
        if self.validation is not None and "val_accuracy" not in self.state.numbers:
            tiles, batches = self.validation
            known = np.flatnonzero(tiles.labels != UNKNOWN_SCENE)
            scores = self.learner.score(self._watch(batches.scoring(known.tolist()), "validate", is_validation=True))
            predicted = self._gather(scores, len(known), batches).probabilities.argmax(dim=1).numpy()
            readable = ~np.isin(known, list(_agree(self._unreadable_in_validation, len(tiles))))
            right = predicted[readable] == tiles.labels[known[readable]]
            self.state.numbers["val_accuracy"] = float(right.mean()) if len(right) else 0.0
        self.after_batch("validation_seconds")

    def score(self) -> tuple[Scores, Tensor | None]:
        """Score the pool, and look at the labelled tiles too for strategies on features.

        Returns:
            Scores of the pool, and features of the labelled tiles or None; rows of unreadable tiles are left out.

        Raises:
            DataError: a tile cannot be read.
        """
        pool, labelled = self.selection.pool, np.array(self.selection.covered, dtype=np.int64)
        with_features, seed = self.state.with_features, (self.selection.seed, len(self.state.finished))
        fixed = None if self.fixed is None else self._fixed_features(self.fixed)
        if not self.needs_labels and not self.state.numbers["labelled"]:
            scores = Scores(torch.empty(len(pool), 0))  # a classifier without labels has nothing to say
        else:
            first_batch = self.state.table.batches
            batches = self._watch(self.batches.scoring(pool.tolist(), first_batch), "score")
            for part in self.learner.score_batches(batches, self.state.passes, with_features, seed, first_batch):
                self.state.table.add(part)
                self.after_batch("score_seconds", together=False)
            scores = self._gather(self.state.table.scores(), len(pool), self.batches)
        labelled_features = None
        if fixed is not None:
            scores, labelled_features = scores._replace(features=fixed[pool]), fixed[labelled]
        if with_features:
            batches = self._watch(self.batches.scoring(labelled.tolist()), "score")
            of_labelled = self.learner.score(batches, 0, with_features=True)
            labelled_features = self._gather(of_labelled, len(labelled), self.batches).features
        self._leave_out_unreadable()
        self.state.numbers["scored"] = len(pool)
        skipped = list(self.selection.skipped)
        if labelled_features is not None:
            labelled_features = labelled_features[torch.from_numpy(~np.isin(labelled, skipped))]
        is_left = ~np.isin(pool, skipped)
        return scores if is_left.all() else scores.each(lambda rows: rows[torch.from_numpy(is_left)]), labelled_features

    def ask(self, scores: Scores, labelled_features: Tensor | None = None) -> None:
        """Ask for the next tiles, for which the main process chooses, and end the round.

        Args:
            scores, labelled_features: as `score` returns them.
        """
        probabilities = scores.probabilities if self.state.numbers["labelled"] else None
        if probabilities is not None:
            self.state.predicted[self.selection.pool] = probabilities.argmax(dim=1).numpy()
        query = distributed.from_main(
            lambda: self.selection.query(probabilities, scores.features, labelled_features, scores.disagreement)
        )
        if not distributed.is_main():
            self.selection.rounds.append(query)
        self.count_seconds("score_seconds")
        self.end_round()

    # --- parts --------------------------------------------------------------------------------------------------------

    def _fixed_features(self, fixed: FixedFeatures) -> Tensor:
        """Features of all tiles of the list by a network that does not learn: looked at once, shape (N, F)."""
        if self._features_of_all is None:
            count, rows = self.selection.total, [torch.empty(0, fixed.width)]
            for part in fixed.of(self._watch(self.batches.scoring(range(count)), "features")):
                rows.append(part)
                self.after_batch("score_seconds", together=False)
            size = self.batches.score_batch_size
            self._features_of_all = distributed.gather_batches(torch.cat(rows), size, count)
        return self._features_of_all

    def _watch(self, batches: Batches, task: str, is_validation: bool = False) -> Iterator[Any]:
        """Pass batches on and say how far they have come, on the lookout for tiles that cannot be read.

        Raises:
            DataError: there is one, and it may not be left out; the state is saved.
        """
        tiles, found = self.tiles, self._unreadable
        if is_validation and self.validation is not None:
            tiles, found = self.validation[0], self._unreadable_in_validation
        for batch in progress(batches, len(batches), f"{self.title} {task}", "batch"):
            unreadable = [] if batch is None else batch.tile[batch.label == UNREADABLE].tolist()
            if unreadable and not self.skip_unreadable:
                self.save(together=False)
                raise _reading_error(tiles, unreadable[0])
            found.update(unreadable)
            yield batch

    def _leave_out_unreadable(self) -> None:
        """Take the tiles that could not be read, in any process, out of the pool and the result."""
        self.selection.skipped |= _agree(self._unreadable, self.selection.total)
        self._unreadable.clear()

    @staticmethod
    def _gather(scores: Scores, count: int, batches: TileBatches) -> Scores:
        """The scores of all processes, of `count` tiles in their order."""
        return scores.each(lambda rows: distributed.gather_batches(rows, batches.score_batch_size, count))

    @property
    def left_out(self) -> list[str]:
        """Names of the tiles that could not be read, those of the validation list included."""
        names = [self.tiles.names[tile] for tile in sorted(self.selection.skipped)]
        if self.validation is not None:  # each of its tiles has a label, unless it was unreadable from the start
            tiles = self.validation[0]
            unreadable = {*np.flatnonzero(tiles.labels == UNKNOWN_SCENE).tolist(), *self._unreadable_in_validation}
            names += [tiles.names[tile] for tile in sorted(unreadable)]
        return names


def _agree(found: set[int], total: int) -> set[int]:
    """Positions found by any process, of `total`."""
    if distributed.world_size() == 1:
        return set(found)
    flags = torch.zeros(total)
    flags[list(found)] = 1
    return set(torch.nonzero(distributed.total(flags))[:, 0].tolist())


def _reading_error(tiles: SceneTiles, tile: int) -> DataError:
    advice = worded(
        "the state is saved: mend the file and use {resume}, or leave it out with {resume} {skip_bad_images}"
    )
    try:
        tiles.image(tile)
    except DataError as error:
        return DataError(f"{error}; {advice}")
    return DataError(f"the image of tile '{tiles.names[tile]}' could not be read just now; {advice}")
