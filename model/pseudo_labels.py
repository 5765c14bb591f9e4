"""Pseudo-labels of a training run: which classes they hold, and files of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from utils.compute import distributed
from utils.drawing.pictures import colourise, save_picture
from utils.imagery.colours import RGB
from utils.imagery.labels import IGNORE_INDEX
from utils.paths import fitting_name
from utils.runs.files import save_array


def class_shares(pseudo_labels: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Share of each class in the pixels of pseudo-labels, over all processes, by its column of metrics.csv.

    Args:
        pseudo_labels: ids, 255 where nothing is learned from, shape (B, H, W).
        classes: their names.
    """
    ids = pseudo_labels[pseudo_labels != IGNORE_INDEX].flatten()
    pixels = distributed.total(torch.bincount(ids, minlength=len(classes))).tolist()
    share = 1 / max(1, sum(pixels))
    return {column: n * share for column, n in zip(share_columns(classes), pixels, strict=True)}


def share_columns(classes: Sequence[str]) -> list[str]:
    """Columns of metrics.csv for the classes of pseudo-labels."""
    return [f"pseudo {name}" for name in classes]


def save_pseudo_labels(
    pseudo_labels: Tensor, names: Sequence[str], colours: Sequence[RGB], folder: Path, step: int
) -> None:
    """Write maps that are learned from as `<name>_iter_<step>.npy`, as published, and in colour beside them.

    Args:
        pseudo_labels: this process's, as for `class_shares`.
        names: of the tiles of all processes.
        colours: RGB of each class.
        folder: of the files, which the main process writes.
        step: steps finished.
    """
    whole = distributed.gather_batches(pseudo_labels, len(pseudo_labels), len(names))
    if not distributed.is_main():
        return
    for name, ids in zip(names, whole.cpu().numpy().astype(np.uint8), strict=True):
        if (ids != IGNORE_INDEX).any():
            stem = name.replace("/", "_")
            save_array(folder / fitting_name(stem, f"_iter_{step}.npy"), ids)
            save_picture(folder / fitting_name(stem, f"_iter_{step}.png"), colourise(ids, colours))
