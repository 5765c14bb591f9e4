"""What a classifier makes of tiles: probabilities, features and disagreement, as they come batch by batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class Scores(NamedTuple):
    """What the classifier makes of N tiles; float32 on the CPU.

    probabilities: of the classes, shape (N, C). features: input of the last layer, shape (N, F), or None.
    disagreement: mutual information of dropout passes in nats, shape (N,), or None.
    """

    probabilities: Tensor
    features: Tensor | None = None
    disagreement: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> "Scores":
        """The scores with each of the tensors that there are changed alike."""
        features, disagreement = (None if part is None else change(part) for part in self[1:])
        return Scores(change(self.probabilities), features, disagreement)


class ScoreTable:
    """Scores that grow batch by batch, each number stored once.

    Args:
        num_classes: columns of the probabilities.
        num_features: columns of the features; None: there are none.
        with_disagreement: whether there is a disagreement.
    """

    def __init__(self, num_classes: int, num_features: int | None = None, with_disagreement: bool = False) -> None:
        self.batches = 0
        self._rows = {"probabilities": _Rows(num_classes)}
        if num_features is not None:
            self._rows["features"] = _Rows(num_features)
        if with_disagreement:
            self._rows["disagreement"] = _Rows()

    def add(self, scores: Scores) -> None:
        """Append the scores of one batch."""
        for name, rows in self._rows.items():
            rows.append(getattr(scores, name).numpy())
        self.batches += 1

    def scores(self) -> Scores:
        """All scores so far, not copied: let go of them before more are added."""
        return Scores(**{name: rows.tensor() for name, rows in self._rows.items()})

    def state_dict(self) -> dict[str, Any]:
        """The scores so far and the number of their batches."""
        return {"batches": self.batches, "scores": {name: rows.tensor() for name, rows in self._rows.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore `state_dict` in an empty table."""
        self.add(Scores(**state["scores"]))
        self.batches = int(state["batches"])


class _Rows:
    """float32 rows in one buffer that grows in place: no second copy when they are put together."""

    def __init__(self, *shape: int) -> None:
        self._bytes, self._count, self._shape = bytearray(), 0, shape

    def append(self, rows: np.ndarray) -> None:
        self._bytes += rows.tobytes()
        self._count += len(rows)

    def tensor(self) -> Tensor:
        return torch.from_numpy(np.ndarray((self._count, *self._shape), np.float32, self._bytes))
