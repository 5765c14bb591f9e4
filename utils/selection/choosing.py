"""Choosing rows of an array: one query of a strategy, without a pool, rounds or files."""

import numpy as np
import torch
from torch import Tensor

from utils.errors import OptionError
from utils.fields import whole_number
from utils.paths import reason_of
from utils.selection.strategies import STRATEGIES, Pool
from utils.suggest import unknown

Array = np.ndarray | Tensor


def choose(
    probabilities: Array | None,
    count: int,
    strategy: str = "margin",
    seed: int = 0,
    features: Array | None = None,
    labelled_features: Array | None = None,
    disagreement: Array | None = None,
) -> np.ndarray:
    """The rows that a strategy asks for first.

    Args:
        probabilities: class probabilities of N unlabelled tiles, shape (N, C); None for strategies on features alone.
        count: how many to choose; all of them where there are fewer.
        strategy: a name of `utils.selection.strategies.STRATEGIES`.
        seed: of ties and random choices.
        features: of the same tiles, shape (N, F); for `coreset`, `badge` and `typiclust`.
        labelled_features: of the L tiles labelled before, shape (L, F); None: none.
        disagreement: mutual information of dropout passes in nats, shape (N,); for `bald`.

    Returns:
        Positions of the rows in order of choice, int64, shape (min(count, N),).

    Raises:
        OptionError: the strategy is unknown, or an array that it needs is missing or does not fit the others.
    """
    if strategy not in STRATEGIES:
        raise OptionError(unknown("query strategy", strategy, list(STRATEGIES)))
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if (number := whole_number(value)) is None or number < least:
            raise OptionError(f"{name} is {value!r}, expected a whole number, {least} or more")
    arrays = {"probabilities": probabilities, "features": features, "disagreement": disagreement}
    given = {name: _as_tensor(name, array) for name, array in arrays.items() if array is not None}
    if len({len(array) for array in given.values()}) != 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in given.items())
        raise OptionError(f"expected arrays with one row for each tile, found {sizes or 'none'}")
    labelled = None if labelled_features is None else _as_tensor("labelled_features", labelled_features)
    if labelled is not None and "features" in given and labelled.shape[1] != given["features"].shape[1]:
        widths = f"{labelled.shape[1]} columns and features {given['features'].shape[1]}"
        raise OptionError(f"labelled_features has {widths}, expected features of one network")
    candidates = np.arange(len(next(iter(given.values()))))
    pool = Pool(
        candidates,
        given.get("probabilities"),
        np.random.default_rng(seed),
        given.get("features"),
        labelled,
        given.get("disagreement"),
    )
    try:
        return np.asarray(STRATEGIES[strategy].choose(pool, count).rows, dtype=np.int64)
    except ValueError as error:
        raise OptionError(f"{strategy}: {error}") from error


def _as_tensor(name: str, array: Array) -> Tensor:
    """float32 on the CPU.

    Raises:
        OptionError: no numbers, wrong number of dimensions, a number that is not finite, or no probabilities.
    """
    try:
        given = torch.as_tensor(array).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(array).__name__
        raise OptionError(f"{name} of type {kind} cannot be read ({reason_of(error)}); give an array") from error
    tensor = given.to("cpu", torch.float32)
    expected = 1 if name == "disagreement" else 2
    if tensor.ndim != expected:
        raise OptionError(f"{name} has shape {tuple(tensor.shape)}, expected {expected} dimensions")
    if not torch.isfinite(tensor).all():
        raise OptionError(f"{name} holds numbers that are not finite")
    if name == "probabilities":
        _check_probabilities(tensor, given.dtype)
    return tensor


def _check_probabilities(rows: Tensor, dtype: torch.dtype) -> None:
    """Refuse what is no softmax output of two classes or more; `dtype` is that in which it was given."""
    if rows.shape[1] < 2:
        raise OptionError(f"probabilities have {rows.shape[1]} classes, expected 2 or more")
    tolerance = max(1e-3, 4 * torch.finfo(dtype).eps) if dtype.is_floating_point else 1e-3
    if (rows < 0).any() or ((rows.sum(dim=1) - 1).abs() > tolerance).any():
        raise OptionError("probabilities are negative or their rows do not sum to 1; of logits, pass the softmax")
