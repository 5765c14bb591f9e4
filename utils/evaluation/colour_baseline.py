"""What colours alone tell: the scores of a logistic regression on single pixels, below which no network should be."""

from collections.abc import Iterable

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils.evaluation.metric import ConfusionMatrix, Scores
from utils.imagery.labels import IGNORE_INDEX

PIXELS_PER_TILE = 400  # of a labelled tile, to fit on


def score_colours(
    train: Iterable[tuple[np.ndarray, np.ndarray]], test: Iterable[tuple[np.ndarray, np.ndarray]], num_classes: int
) -> Scores:
    """Fit a logistic regression on the colours of some pixels of labelled tiles, and score it on others.

    Args:
        train, test: tiles: images, RGB, uint8, shape (H, W, 3), and ids, uint8, shape (H, W), 255 = ignore.
        num_classes: classes of the ids.
    """
    rng = np.random.default_rng(0)
    colours, ids = [], []
    for image, mask in train:
        known = np.flatnonzero(mask != IGNORE_INDEX)
        drawn = rng.choice(known, min(PIXELS_PER_TILE, len(known)), replace=False)
        colours.append(image.reshape(-1, 3)[drawn])
        ids.append(mask.ravel()[drawn])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(np.concatenate(colours).astype(np.float32), np.concatenate(ids))
    matrix = ConfusionMatrix(num_classes)
    for image, mask in test:
        predicted = model.predict(image.reshape(-1, 3).astype(np.float32))
        matrix.update(torch.from_numpy(mask.ravel().astype(np.int64)), torch.from_numpy(predicted))
    return matrix.scores()
