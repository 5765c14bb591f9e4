"""Where a run of the active learner stands, kept so that it can be taken up again exactly."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.learning.learner import Learner
from utils.compute import distributed
from utils.imagery.labels import UNKNOWN_SCENE
from utils.runs.seeds import restore_machine_state
from utils.selection.rounds import Selection
from utils.selection.strategies import Strategy


class LearningState:
    """The rounds so far and the one under way.

    Args:
        selection: the pool and its rounds.
        learner: the classifier.
        strategy: how tiles are chosen.
        dropout_passes: of a strategy that asks for them.
        with_features: whether scores come with features of the classifier.

    Attributes:
        finished: numbers of the rounds before, such as loss and seconds.
        numbers: those of the round under way.
        losses: one for each batch of its fit so far.
        is_fitted: whether its fit is over.
        table: scores of the pool so far.
        predicted: class that each tile was last taken for, or -1; shape (N,).
    """

    def __init__(
        self,
        selection: Selection,
        learner: Learner,
        strategy: Strategy,
        dropout_passes: int,
        with_features: bool = False,
    ) -> None:
        self.selection, self.learner, self.strategy = selection, learner, strategy
        self.with_features = with_features
        self.passes = dropout_passes if strategy.dropout else 0
        self.predicted = np.full(selection.total, UNKNOWN_SCENE)
        self.finished: list[dict[str, float]] = []
        self.begin_round()

    def begin_round(self) -> None:
        """Forget the round under way."""
        self.numbers: dict[str, float] = {}
        self.is_fitted = False
        self.forget_batches()

    def forget_batches(self) -> None:
        """Begin the fit or the scoring anew: the order of the tiles is another."""
        self.losses: list[Tensor] = []
        self.table = self.learner.score_table(self.passes, self.with_features)

    def state_dict(self, machines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """All that a resumed run needs.

        Args:
            machines: `machine_state` of each process, in the order of their ranks.
        """
        progress = {
            "selection": self.selection.state_dict(),
            "learner": self.learner.state_dict(),
            "finished": self.finished,
            "numbers": self.numbers,
            "losses": torch.stack(self.losses).cpu() if self.losses else torch.empty(0),
            "is_fitted": self.is_fitted,
            "predicted": torch.from_numpy(self.predicted),
        }
        if distributed.world_size() == 1:  # of several processes each has scores of its own
            progress["table"] = self.table.state_dict()
        main, *others = machines
        return progress | dict(main) | {"other_processes": [dict(other) for other in others]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`; a process that the run did not have before keeps its fresh random state."""
        self.begin_round()
        self.selection.load_state_dict(state["selection"])
        self.learner.load_state_dict(state["learner"])
        self.finished, self.numbers = list(state["finished"]), dict(state["numbers"])
        self.losses = list(state["losses"].to(self.learner.device))
        self.is_fitted = bool(state["is_fitted"])
        self.predicted[:] = state["predicted"].numpy()
        if "table" in state and distributed.world_size() == 1:
            self.table.load_state_dict(state["table"])
        machines = [state, *state.get("other_processes", ())]
        if distributed.rank() < len(machines):
            restore_machine_state(machines[distributed.rank()], self.learner.device)
