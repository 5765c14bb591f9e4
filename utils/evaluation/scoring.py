"""Scoring maps against the truth: arrays in, `Scores` out, without files and without a network."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from utils.errors import OptionError
from utils.evaluation.metric import ConfusionMatrix, Scores
from utils.fields import whole_number
from utils.imagery.labels import IGNORE_INDEX, MAX_CLASSES

Maps = np.ndarray | Tensor


def score(
    truth: Maps | Sequence[Maps],
    prediction: Maps | Sequence[Maps],
    num_classes: int | None = None,
    ignore: int = IGNORE_INDEX,
) -> Scores:
    """Compare class maps with the truth, all pixels together.

    Args:
        truth: class ids of any integer type, one array of any shape such as (H, W) or (N, H, W), or several arrays.
        prediction: as many arrays of the same shapes; what stands where the truth is `ignore` does not matter.
        num_classes: C; ids are 0 to C - 1. None: one more than the highest id found.
        ignore: id of pixels without a class, which do not count.

    Returns:
        Fractions in [0, 1], of all classes and of each; None where nothing was counted.

    Raises:
        OptionError: types, shapes or ids do not fit; the message names the first array that does not.
    """
    if num_classes is not None and whole_number(num_classes) is None:
        raise OptionError(f"num_classes is {num_classes!r}, expected a whole number")
    pairs = _pairs(truth, prediction)
    highest = max((int(ids.max()) for pair in pairs for ids in _counting(*pair, ignore) if ids.numel()), default=0)
    count = max(2, highest + 1) if num_classes is None else num_classes
    if not 2 <= count <= MAX_CLASSES:
        raise OptionError(f"{count} classes, expected 2 to {MAX_CLASSES}; give `num_classes`, or ids that start at 0")
    matrix = ConfusionMatrix(count, pairs[0][0].device)
    for number, (true, predicted) in enumerate(pairs):
        for name, ids in zip(("truth", "prediction"), _counting(true, predicted, ignore), strict=True):
            if ids.numel() and not (int(ids.min()) >= 0 and int(ids.max()) < count):
                found = f"{int(ids.min())} to {int(ids.max())}"
                raise OptionError(
                    f"{name} {number} holds ids {found}, expected 0 to {count - 1}, or {ignore} (ignored)"
                )
        matrix.update(true, predicted.to(true.device), ignore)
    return matrix.scores()


def _pairs(truth: Maps | Sequence[Maps], prediction: Maps | Sequence[Maps]) -> list[tuple[Tensor, Tensor]]:
    """Arrays of the truth and of the prediction side by side, as whole numbers."""
    truths, predictions = _tensors("truth", truth), _tensors("prediction", prediction)
    if len(truths) != len(predictions) or not truths:
        raise OptionError(f"{len(truths)} arrays of the truth and {len(predictions)} of the prediction, expected pairs")
    for number, (true, predicted) in enumerate(zip(truths, predictions, strict=True)):
        if true.shape != predicted.shape:
            shapes = f"{tuple(true.shape)} and {tuple(predicted.shape)}"
            raise OptionError(f"truth and prediction {number} have shapes {shapes}; bring both to one size")
    return list(zip(truths, predictions, strict=True))


def _tensors(name: str, maps: Maps | Sequence[Maps]) -> list[Tensor]:
    tensors = []
    if not isinstance(maps, np.ndarray | Tensor | Sequence):
        raise OptionError(f"{name} is of type {type(maps).__name__}, expected an array, or a list of arrays")
    for number, array in enumerate([maps] if isinstance(maps, np.ndarray | Tensor) else maps):
        if not isinstance(array, np.ndarray | Tensor):
            kind = type(array).__name__
            raise OptionError(f"{name} {number} is of type {kind}, expected an array; np.asarray makes one")
        is_whole = not array.dtype.is_floating_point if isinstance(array, Tensor) else array.dtype.kind in "iu"
        if not is_whole:
            raise OptionError(f"{name} {number} is {array.dtype}, expected class ids of an integer type")
        tensors.append(array if isinstance(array, Tensor) else torch.from_numpy(array.astype(np.int64)))
    return tensors


def _counting(truth: Tensor, prediction: Tensor, ignore: int) -> tuple[Tensor, Tensor]:
    """Ids of the pixels that count."""
    counts = truth != ignore
    return truth[counts], prediction.to(truth.device)[counts]
