import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score

from utils.errors import OptionError
from utils.evaluation import score

TRUTH = np.array([[0, 0, 1], [1, 2, 255]], np.uint8)
PREDICTION = np.array([[0, 1, 1], [1, 2, 0]], np.uint8)


def test_scores_by_hand():
    scores = score(TRUTH, PREDICTION)
    assert scores.pixel_accuracy == pytest.approx(4 / 5)
    assert scores.class_iou == pytest.approx((1 / 2, 2 / 3, 1))
    assert scores.class_pixels == (2, 2, 1)


@pytest.mark.parametrize("kind", [torch.from_numpy, np.asarray, lambda a: torch.from_numpy(a.astype(np.int64))])
def test_numpy_and_torch_score_alike(kind):
    assert score(kind(TRUTH), PREDICTION) == score(TRUTH, kind(PREDICTION)) == score(TRUTH, PREDICTION)


def test_arrays_of_several_sizes_count_together():
    rng = np.random.default_rng(0)
    truths = [rng.integers(0, 4, size) for size in ((8, 5), (3, 9))]
    predictions = [rng.integers(0, 4, truth.shape) for truth in truths]
    flat = [np.concatenate([each.ravel() for each in maps]) for maps in (truths, predictions)]
    scores = score(truths, predictions)
    assert scores.mean_iou == pytest.approx(jaccard_score(*flat, average="macro"))
    assert scores.pixel_accuracy == pytest.approx(accuracy_score(*flat))


def test_classes_may_be_more_than_the_ids_found_and_nothing_may_count():
    assert score(TRUTH, PREDICTION, num_classes=5).class_iou[3:] == (None, None)
    assert score(np.where(TRUTH == 255, 7, TRUTH), PREDICTION, ignore=7) == score(TRUTH, PREDICTION)
    assert score(np.full((2, 2), 255), np.zeros((2, 2), np.int64)).mean_iou is None


@pytest.mark.parametrize(
    ("truth", "prediction", "options", "message"),
    [
        (TRUTH, PREDICTION[:1], {}, r"truth and prediction 0 have shapes \(2, 3\) and \(1, 3\)"),
        (TRUTH, PREDICTION / 2, {}, "prediction 0 is float64, expected class ids"),
        ([TRUTH], [PREDICTION] * 2, {}, "1 arrays of the truth and 2 of the prediction"),
        ([], [], {}, "expected pairs"),
        ([[0, 1], [1, 0]], PREDICTION, {}, "truth 0 is of type list, expected an array"),
        (TRUTH, None, {}, "prediction is of type NoneType, expected an array"),
        (TRUTH, PREDICTION, {"num_classes": 2}, "truth 0 holds ids 0 to 2, expected 0 to 1, or 255"),
        (TRUTH, PREDICTION.astype(np.int64) - 1, {}, "prediction 0 holds ids -1 to 1"),
        (TRUTH, PREDICTION, {"num_classes": 5.0}, "num_classes is 5.0, expected a whole number"),
        (TRUTH, PREDICTION, {"num_classes": 1}, "1 classes, expected 2 to 254"),
        (TRUTH.astype(np.int64) * 1000, PREDICTION, {"ignore": 255000}, "2001 classes"),
    ],
)
def test_what_does_not_fit_is_refused(truth, prediction, options, message):
    with pytest.raises(OptionError, match=message):
        score(truth, prediction, **options)
