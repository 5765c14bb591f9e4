"""A run of the active learner: where it stands in its rounds, when it ends, and what it writes."""

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from model.learning.learner import Learner
from model.learning.state import LearningState
from model.settings import LearnerSettings
from utils.compute import distributed
from utils.console import say
from utils.errors import DataError
from utils.imagery.labels import UNKNOWN_SCENE
from utils.runs.damage import MISFITS, misfit
from utils.runs.files import load_state, save_tensors
from utils.runs.interrupt import Stopped, StopRequest
from utils.runs.log import MetricsLog
from utils.runs.seeds import machine_state
from utils.selection.folder import SelectionFolder
from utils.selection.results import COLUMNS, costs, names_and_probabilities, write_results
from utils.selection.rounds import Round, Selection
from utils.selection.scene_tiles import SceneTiles
from utils.selection.settings import QuerySettings
from utils.selection.strategies import STRATEGIES
from utils.wording import worded

SAVE_EVERY = 60.0  # seconds between two states within a round


class LearningRun:
    """The files and the progress of one run; `model.learning.active_learner.ActiveLearner` does its work.

    Args:
        tiles: the tiles to choose from.
        selection: the pool and its rounds.
        learner: the classifier.
        folder: the run's files.
        query: how tiles are chosen, and when the run ends early.
        settings: how the classifier is fitted.
        needs_labels: whether it waits for scene labels that are missing; else it learns from what there is.

    Attributes:
        stop: asked after every batch whether to save and end; enter it around the rounds.
    """

    def __init__(
        self,
        tiles: SceneTiles,
        selection: Selection,
        learner: Learner,
        folder: SelectionFolder,
        query: QuerySettings,
        settings: LearnerSettings,
        needs_labels: bool = True,
    ) -> None:
        self.tiles, self.selection, self.learner, self.folder = tiles, selection, learner, folder
        self.query, self.settings, self.needs_labels = query, settings, needs_labels
        strategy = STRATEGIES[selection.strategy]
        with_features = strategy.features and query.features == "classifier"
        self.state = LearningState(selection, learner, strategy, query.dropout_passes, with_features)
        self.stop = StopRequest(unsaved=self.unsaved)
        self._log: MetricsLog | None = None
        self._has_written = False
        self._machines: list[dict[str, Any]] = []  # of each process, when they last were at the same batch
        self._saved_at = self._clock = time.perf_counter()
        self._saved = ""  # where in the rounds the state on the disk stands

    # --- beginning, resuming, ending ----------------------------------------------------------------------------------

    def begin(self, record: Mapping[str, Any] | None = None) -> None:
        """Make the folder ready for a new run, and save its first state.

        Args:
            record: what options.json says beside the settings.
        """
        if distributed.is_main():
            self.folder.begin_with(self.tiles.names, record or {})
        distributed.barrier()
        self._open_log()
        self._write_state()  # before the first results, so that wherever it is killed, the run can go on

    def resume(self) -> None:
        """Take up the run of the folder where its state was saved.

        Raises:
            DataError: the list has changed, or the state cannot be read.
        """
        self.folder.check_list(self.tiles.names)
        unreadable = set(self.selection.skipped)
        if self.folder.state.is_file():
            state = load_state(self.folder.state)
            try:
                self.state.load_state_dict(state)
            except MISFITS as error:
                message = "{} does not fit this run: {}; start over with {overwrite}"
                raise DataError(worded(message, self.folder.state, misfit(error))) from error
            self._saved = self.title
            say(f"resuming after {len(self.state.finished)} rounds, with {len(self.selection.queried)} tiles queried")
        else:
            say("no state was saved yet: starting over")
        if unreadable - self.selection.skipped:  # the order of what is left is another
            self.selection.skipped |= unreadable
            self.state.forget_batches()
        if distributed.is_main() and not self.is_over:
            self.folder.withdraw()
        self._machines = distributed.gather_objects(machine_state(self.learner.device))
        distributed.barrier()
        self._open_log(self._late_accuracies())

    def _late_accuracies(self) -> dict[int, dict[str, float]]:
        """Accuracies of rounds whose tiles people have labelled since, by round; says what they are."""
        late = {}
        for number, (query, numbers) in enumerate(zip(self.selection.rounds, self.state.finished, strict=True), 1):
            right = self._predicted_right(query)
            if right is None or numbers.get("query_accuracy") == right.mean():
                continue
            numbers["query_accuracy"] = float(right.mean())
            late[number] = {"query_accuracy": numbers["query_accuracy"]}
            say(f"round {number}: {right.sum()} of {len(right)} labels are what the classifier had predicted")
        return late

    def _predicted_right(self, query: Round) -> np.ndarray | None:
        """Of each tile of a query whose scene class is known, whether it was predicted; None where none is known."""
        labels = self.tiles.labels[query.tiles]
        known = labels != UNKNOWN_SCENE
        return (np.array(query.predicted) == labels)[known] if known.any() else None

    def finish(self) -> None:
        """Publish the names; before, write results and state where there was a fit without a round, or no round."""
        rounds = [*self.state.finished, self.state.numbers] if self.state.numbers else self.state.finished
        if self.state.numbers:
            self._write_log(len(rounds), self.state.numbers)
        if self.state.numbers or not self._has_written:
            self._write_results(rounds)
            self.save()
        if distributed.is_main():
            self.folder.publish(*names_and_probabilities(self.tiles, self.selection))

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def save(self, together: bool = True) -> None:
        """Write what `resume` needs; from then on the run is worth keeping.

        Args:
            together: all processes are here after the same batch.
        """
        self._write_state(together)
        self.folder.establish()

    def _write_state(self, together: bool = True) -> None:
        if (
            together or distributed.world_size() == 1
        ):  # else random states are those of the last fit: scoring draws none
            self._machines = distributed.gather_objects(machine_state(self.learner.device))
        if distributed.is_main():
            save_tensors(self.folder.state, self.state.state_dict(self._machines))
            self._saved = self.title
        self._saved_at = self._clock = time.perf_counter()

    # --- where the run stands -----------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """The round under way, of how many."""
        return f"round {len(self.state.finished) + 1}/{self.selection.num_rounds}"

    @property
    def is_over(self) -> bool:
        """Whether no tile remains to be asked for, or the accuracy is reached."""
        return not self.selection.remaining or self.is_accurate_enough

    @property
    def is_accurate_enough(self) -> bool:
        """Whether the accuracy that was asked for is reached."""
        wanted = self.query.stop_at_accuracy
        return wanted is not None and self.state.numbers.get("val_accuracy", -1) >= wanted

    @property
    def waits_for_labels(self) -> bool:
        """Whether scene classes of tiles that were asked for are missing."""
        are_missing = (self.tiles.labels[self.selection.labelled] == UNKNOWN_SCENE).any()
        return self.needs_labels and bool(are_missing)

    @property
    def costs(self) -> dict[str, Any]:
        """What the selection costs; see `utils.selection.results.costs`."""
        return costs(self.selection, [*self.state.finished, self.state.numbers])

    def unsaved(self) -> str:
        """What would be lost if the run ended now, and from where it could go on."""
        if not distributed.is_main():
            return "the first process says what is lost"
        if not self._saved:
            return worded("no state had been saved in {}, all is lost; {overwrite} starts over", self.folder.path)
        seconds = time.perf_counter() - self._saved_at
        return worded(
            f"the work of {seconds:.0f} s is lost; the same command with {{resume}} goes on in {{}} ({{}})",
            self._saved,
            self.folder.state,
        )

    # --- during a round -----------------------------------------------------------------------------------------------

    def count_seconds(self, timed: str) -> None:
        """Add the time since the last call to one of the round's numbers."""
        now = time.perf_counter()
        self.state.numbers[timed] = self.state.numbers.get(timed, 0) + now - self._clock
        self._clock = now

    def after_batch(self, timed: str, together: bool = True) -> None:
        """Count the time, save the state when it is due, end where that was asked for.

        Args:
            timed: the number that the time since the last call goes to.
            together: all processes are here after the same batch; only then can they agree to end.

        Raises:
            Stopped: on request.
        """
        self.count_seconds(timed)
        is_due, stopping = self._clock - self._saved_at >= SAVE_EVERY, self.stop.reason is not None
        if distributed.world_size() > 1:
            wishes = torch.tensor([float(is_due), float(stopping and together)])
            is_due, stopping = (distributed.total(wishes) > 0).tolist() if together else (is_due, False)
        if stopping or is_due:
            self.save(together)
        if stopping:
            raise Stopped

    def _write_results(self, rounds: list[dict[str, float]]) -> None:
        if distributed.is_main():
            self.folder.establish()
            write_results(self.folder, self.tiles, self.selection, rounds, self.state.predicted)
        distributed.barrier()  # sheets of many tiles take the main process long
        self._has_written = True

    def _open_log(self, late: Mapping[int, Mapping[str, float]] | None = None) -> None:
        if distributed.is_main():
            rounds = len(self.state.finished)
            self._log = MetricsLog(self.folder.metrics, COLUMNS, self.folder.tensorboard, rounds, late)

    def _write_log(self, round_number: int, numbers: Mapping[str, float]) -> None:
        if self._log is not None:  # in the main process
            self._log.write(round_number, {name: numbers[name] for name in COLUMNS if name in numbers})

    def end_round(self) -> None:
        """Print a line, write the log, the results and the state."""
        query, numbers = self.selection.rounds[-1], self.state.numbers
        if (right := self._predicted_right(query)) is not None:
            numbers["query_accuracy"] = float(right.mean())
        self._write_log(len(self.state.finished) + 1, numbers)
        self._write_results([*self.state.finished, numbers])
        say(f"{self.title}: {self._line(numbers)}{len(self.selection.result)} chosen")
        self.state.finished.append(numbers)
        self.state.begin_round()
        self.save()

    def _line(self, numbers: Mapping[str, float]) -> str:
        """What a round came to, for people; empty where nothing was learned."""
        if not (numbers["labelled"] or self.needs_labels):
            return ""
        fit, score = max(numbers.get("fit_seconds", 0), 1e-9), max(numbers["score_seconds"], 1e-9)
        shares = {"val_accuracy": "accuracy", "query_accuracy": "of these predicted right"}
        return "".join(
            f"{part}, "
            for part in (
                f"loss {numbers.get('loss', math.nan):.3f}",
                *(f"{numbers[name]:.0%} {text}" for name, text in shares.items() if name in numbers),
                f"fit {fit:.1f} s ({numbers['labelled'] * self.settings.num_epochs / fit:.1f} tiles/s)",
                f"score {score:.1f} s ({numbers['scored'] / score:.1f} tiles/s)",
            )
        )
