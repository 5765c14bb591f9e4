"""The rounds of the active learner: fit, score, ask."""

import argparse
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from data.unreadable import UNREADABLE
from model.learner import Learner, Scores, recent_mean
from tools.al_feed import Feed
from tools.al_results import COLUMNS, UNKNOWN, LabelledList, SelectionFolder, ledger
from tools.al_state import RunState
from utils import distributed
from utils.console import say
from utils.errors import DataError
from utils.progress import progress
from utils.runs.damage import misfit
from utils.runs.files import load_state, save_tensors
from utils.runs.interrupt import Stopped, StopRequest
from utils.runs.log import MetricsLog
from utils.selection.rounds import Selection
from utils.selection.strategies import STRATEGIES

SAVE_EVERY = 60.0  # seconds between two states within a round


class LearningRun:
    """One run: the pool, the classifier, and where in its rounds it stands.

    Args:
        args: the command's options.
        listed: the tiles to choose from.
        validation: tiles to measure the accuracy on, if any.
        selection: the pool and its rounds.
        learner: the classifier.
        feed: batches of tiles.
        folder: the run's files.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        listed: LabelledList,
        validation: LabelledList | None,
        selection: Selection,
        learner: Learner,
        feed: Feed,
        folder: SelectionFolder,
    ) -> None:
        self.args, self.listed, self.validation = args, listed, validation
        self.selection, self.learner, self.feed, self.folder = selection, learner, feed, folder
        self.state = RunState(selection, learner, STRATEGIES[args.query_strategy], args.dropout_passes)
        self._first_weights: dict[str, Tensor] = {}
        if args.retrain == "scratch":
            self._first_weights = {n: t.clone() for n, t in learner.classifier.state_dict().items()}
        self._unreadable: set[int] = set()  # found since the last agreement on `selection.skipped`
        self._unreadable_in_validation: set[int] = set()
        self._log: MetricsLog | None = None
        self._has_written = False
        self._stop = StopRequest()
        self._saved_at = self._clock = time.perf_counter()
        self._saved = ""  # where in the rounds the state on the disk stands

    # --- beginning, resuming, ending ----------------------------------------------------------------------------------

    def begin(self, record: Mapping[str, Any]) -> None:
        """Make the folder ready for a new run, and save its first state."""
        if distributed.is_main():
            self.folder.begin_with(self.listed.tiles.names, record)
        distributed.barrier()
        self._open_log()
        self._write_state()  # before the first results, so that wherever it is killed, the run can go on

    def resume(self) -> None:
        """Take up the run of the folder where its state was saved.

        Raises:
            DataError: the list has changed, or the state cannot be read.
        """
        self.folder.check_list(self.listed.tiles.names)
        unreadable = set(self.selection.skipped)
        if self.folder.state.is_file():
            state = load_state(self.folder.state)
            try:
                self.state.load_state_dict(state)
            except (KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError) as error:
                raise DataError(
                    f"{self.folder.state} does not fit this run: {misfit(error)}; start over with --overwrite"
                ) from error
            self._saved = self.title
            say(f"resuming after {len(self.state.finished)} rounds, with {len(self.selection.queried)} tiles queried")
        else:
            say("no state was saved yet: starting over")
        if unreadable - self.selection.skipped:  # the order of what is left is another
            self.selection.skipped |= unreadable
            self.state.forget_batches()
        if distributed.is_main() and self.selection.remaining and not self.is_accurate_enough:
            self.folder.withdraw()
        distributed.barrier()
        self._open_log()

    def finish(self) -> None:
        """Publish the names; before, write results and state where there was a fit without a round, or no round."""
        rounds = [*self.state.finished, self.state.numbers] if self.state.numbers else self.state.finished
        if self.state.numbers and distributed.is_main():
            self._write_log(len(rounds), self.state.numbers)
        if self.state.numbers or not self._has_written:
            self._write_results(rounds)
            self.save_state()
        if distributed.is_main():
            self.folder.publish(self.listed, self.selection)

    def unsaved(self) -> str:
        """What would be lost if the run ended now, and from where it could go on."""
        if not distributed.is_main():
            return "the first process says what is lost"
        if not self._saved:
            return f"no state had been saved in {self.folder.path}, all is lost; --overwrite starts over"
        seconds = time.perf_counter() - self._saved_at
        return (
            f"the work of {seconds:.0f} s is lost; the same command with --resume goes on in {self._saved} "
            f"({self.folder.state})"
        )

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    @property
    def left_out(self) -> list[str]:
        """Names of the tiles that could not be read, those of the validation list included."""
        names = [self.listed.tiles.names[tile] for tile in sorted(self.selection.skipped)]
        if self.validation is not None:  # each of its tiles has a label, unless it was unreadable from the start
            unreadable = {*np.flatnonzero(self.validation.labels == UNKNOWN).tolist(), *self._unreadable_in_validation}
            names += [self.validation.tiles.names[tile] for tile in sorted(unreadable)]
        return names

    @property
    def ledger(self) -> dict[str, Any]:
        """What the selection costs."""
        return ledger(self.selection, [*self.state.finished, self.state.numbers])

    # --- the rounds ---------------------------------------------------------------------------------------------------

    def rounds(self, stop: StopRequest) -> bool:
        """Run rounds until no tile remains to be asked for or the accuracy is reached.

        Args:
            stop: asked after every batch.

        Returns:
            Whether labels are missing before the next fit.

        Raises:
            Stopped: on request; the state is saved.
            DataError: a tile cannot be read, or a loss is not finite.
        """
        self._stop = stop
        while self.selection.remaining:
            if (self.listed.labels[self.selection.labelled] == UNKNOWN).any():
                self.save_state()
                return True
            self._clock = time.perf_counter()
            self._fit()
            self._validate()
            self._after_batch("validation_seconds")
            if self.is_accurate_enough:
                break
            self._query(*self._score())
            self._end_round()
        self.finish()
        return False

    @property
    def is_accurate_enough(self) -> bool:
        """Whether the accuracy that was asked for is reached."""
        wanted: float | None = self.args.stop_at_accuracy
        return wanted is not None and self.state.numbers.get("val_accuracy", -1) >= wanted

    @property
    def title(self) -> str:
        """The round under way, of how many."""
        return f"round {len(self.state.finished) + 1}/{self.selection.num_rounds}"

    def _fit(self) -> None:
        """Train on all labels so far, or go on where the state was saved."""
        if self.state.is_fitted:
            return
        tiles, batches_done = self.selection.labelled, len(self.state.losses)
        if self._first_weights and not batches_done:
            self.learner.load_state_dict({"classifier": self._first_weights})
        batches = self.feed.fitting(self.listed, tiles, len(self.state.finished), batches_done)
        for loss in self.learner.fit_batches(self._watch(batches, "fit")):
            self.state.losses.append(loss)
            self._after_batch("fit_seconds")
        self.state.numbers["labelled"] = len(tiles)
        if tiles:
            self.state.numbers["loss"] = recent_mean(self.state.losses)
            if not math.isfinite(self.state.numbers["loss"]):
                raise DataError(
                    f"the loss of {self.title} is not finite; lower --learning-rate or use --precision fp32, and start "
                    "over with --overwrite"
                )
        self._leave_out_unreadable()
        self.state.losses, self.state.is_fitted = [], True

    def _validate(self) -> None:
        """Measure the accuracy on the validation list."""
        if self.validation is None or "val_accuracy" in self.state.numbers:
            return
        tiles = np.flatnonzero(self.validation.labels != UNKNOWN)
        batches = self._watch(self.feed.scoring(self.validation, tiles), "validate", self.validation)
        predicted = self._gather(self.learner.score(batches), len(tiles)).probabilities.argmax(dim=1).numpy()
        skipped = _agree(self._unreadable_in_validation, len(self.validation.labels))
        readable = ~np.isin(tiles, list(skipped))
        right = predicted[readable] == self.validation.labels[tiles[readable]]
        self.state.numbers["val_accuracy"] = float(right.mean()) if len(right) else 0.0

    def _score(self) -> tuple[Scores, Tensor | None]:
        """Score the pool, and look at the labelled tiles too for strategies on features.

        Returns:
            Scores of the pool, and features of the labelled tiles or None; rows of unreadable tiles are left out.
        """
        pool, labelled = self.selection.pool, np.array(self.selection.labelled, dtype=np.int64)
        with_features, seed = self.state.strategy.features, (self.args.random_seed, len(self.state.finished))
        first_batch = self.state.table.batches
        batches = self._watch(self.feed.scoring(self.listed, pool, first_batch), "score")
        for part in self.learner.score_batches(batches, self.state.passes, with_features, seed, first_batch):
            self.state.table.add(part)
            self._after_batch("score_seconds", together=False)
        scores, labelled_features = self._gather(self.state.table.scores(), len(pool)), None
        if with_features:
            of_labelled = self.learner.score(self._watch(self.feed.scoring(self.listed, labelled), "score"), 0, True)
            labelled_features = self._gather(of_labelled, len(labelled)).features
        self._leave_out_unreadable()
        self.state.numbers["scored"] = len(pool)
        skipped = list(self.selection.skipped)
        if labelled_features is not None:
            labelled_features = labelled_features[torch.from_numpy(~np.isin(labelled, skipped))]
        return _keep(scores, ~np.isin(pool, skipped)), labelled_features

    def _query(self, scores: Scores, labelled_features: Tensor | None) -> None:
        """Ask for the next tiles; the main process chooses for all."""
        probabilities = scores.probabilities if self.state.numbers["labelled"] else None
        if probabilities is not None:
            self.state.predicted[self.selection.pool] = probabilities.argmax(dim=1).numpy()
        query = distributed.from_main(
            lambda: self.selection.query(probabilities, scores.features, labelled_features, scores.disagreement)
        )
        if not distributed.is_main():
            self.selection.rounds.append(query)
        self._after_batch("score_seconds", together=False, may_stop=False)

    def _end_round(self) -> None:
        """Print a line, write the log, the results and the state."""
        query, numbers = self.selection.rounds[-1], self.state.numbers
        labels = self.listed.labels[query.tiles]
        known = labels != UNKNOWN
        if known.any():
            numbers["query_accuracy"] = float((np.array(query.predicted) == labels)[known].mean())
        if distributed.is_main():
            self._write_log(len(self.state.finished) + 1, numbers)
        self._write_results([*self.state.finished, numbers])
        say(f"{self.title}: {self._line(numbers)}, {len(self.selection.result)} chosen")
        self.state.finished.append(numbers)
        self.state.begin_round()
        self.save_state()

    def _line(self, numbers: Mapping[str, float]) -> str:
        fit, score = max(numbers.get("fit_seconds", 0), 1e-9), max(numbers["score_seconds"], 1e-9)
        shares = {"val_accuracy": "accuracy", "query_accuracy": "of these predicted right"}
        return ", ".join(
            [
                f"loss {numbers.get('loss', math.nan):.3f}",
                *(f"{numbers[name]:.0%} {text}" for name, text in shares.items() if name in numbers),
                f"fit {fit:.1f} s ({numbers['labelled'] * self.args.num_epochs / fit:.1f} tiles/s)",
                f"score {score:.1f} s ({numbers['scored'] / score:.1f} tiles/s)",
            ]
        )

    # --- parts --------------------------------------------------------------------------------------------------------

    def _watch(self, batches: DataLoader[Any], task: str, validation: LabelledList | None = None) -> Iterator[Any]:
        """Pass batches on and say how far they have come, on the lookout for tiles that cannot be read.

        Raises:
            DataError: there is one, and it may not be left out; the state is saved.
        """
        listed, found = self.listed, self._unreadable
        if validation is not None:
            listed, found = validation, self._unreadable_in_validation
        for batch in progress(batches, len(batches), f"{self.title} {task}", "batch"):
            unreadable = [] if batch is None else batch.tile[batch.label == UNREADABLE].tolist()
            if unreadable and not self.args.skip_bad_images:
                self.save_state()
                raise _reading_error(listed, unreadable[0])
            found.update(unreadable)
            yield batch

    def _leave_out_unreadable(self) -> None:
        """Take the tiles that could not be read, in any process, out of the pool and the result."""
        self.selection.skipped |= _agree(self._unreadable, self.selection.total)
        self._unreadable.clear()

    def _gather(self, scores: Scores, count: int) -> Scores:
        size = self.args.score_batch_size
        parts = (None if part is None else distributed.gather_batches(part, size, count) for part in scores)
        return Scores(*parts)  # type: ignore[arg-type]

    def _after_batch(self, timed: str, together: bool = True, may_stop: bool = True) -> None:
        """Count the time, save the state when it is due, end where that was asked for.

        Args:
            timed: the number that the time since the last call goes to.
            together: all processes are here after the same batch; only then can they agree to end.
            may_stop: the state is whole.

        Raises:
            Stopped: on request.
        """
        now = time.perf_counter()
        self.state.numbers[timed] = self.state.numbers.get(timed, 0) + now - self._clock
        self._clock = now
        if not may_stop:
            return
        stopping = self._stop.reason is not None
        if distributed.world_size() > 1:
            stopping = together and distributed.any_process(stopping)
        if stopping or now - self._saved_at >= SAVE_EVERY:
            self.save_state()
        if stopping:
            raise Stopped

    def _write_results(self, rounds: list[dict[str, float]]) -> None:
        if distributed.is_main():
            self.folder.establish()
            self.folder.write_results(self.listed, self.selection, rounds, self.state.predicted)
        distributed.barrier()  # sheets of many tiles take the main process long
        self._has_written = True

    def _open_log(self) -> None:
        if distributed.is_main():
            self._log = MetricsLog(self.folder.metrics, COLUMNS, self.folder.tensorboard, len(self.state.finished))

    def _write_log(self, round_number: int, numbers: Mapping[str, float]) -> None:
        assert self._log is not None
        self._log.write(round_number, {name: numbers[name] for name in COLUMNS if name in numbers})

    # --- state --------------------------------------------------------------------------------------------------------

    def save_state(self) -> None:
        """Write what `resume` needs; from then on the run is worth keeping."""
        self._write_state()
        self.folder.establish()

    def _write_state(self) -> None:
        if distributed.is_main():
            save_tensors(self.folder.state, self.state.state_dict())
            self._saved = self.title
        self._saved_at = self._clock = time.perf_counter()


def _agree(found: set[int], total: int) -> set[int]:
    """Positions found by any process, of `total`."""
    if distributed.world_size() == 1:
        return set(found)
    flags = torch.zeros(total)
    flags[list(found)] = 1
    return set(torch.nonzero(distributed.total(flags))[:, 0].tolist())


def _keep(scores: Scores, rows: np.ndarray) -> Scores:
    if rows.all():
        return scores
    kept = torch.from_numpy(rows)
    return Scores(*(None if part is None else part[kept] for part in scores))  # type: ignore[arg-type]


def _reading_error(listed: LabelledList, tile: int) -> DataError:
    advice = "the state is saved: mend the file and use --resume, or leave it out with --resume --skip-bad-images"
    try:
        listed.tiles.image(tile)
    except DataError as error:
        return DataError(f"{error}; {advice}")
    return DataError(f"{listed.tiles.reader.image_path(listed.tiles.names[tile])} could not be read just now; {advice}")
