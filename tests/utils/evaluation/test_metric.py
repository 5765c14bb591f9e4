import json

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    jaccard_score,
    precision_recall_fscore_support,
)

from utils.evaluation.metric import ConfusionMatrix, Scores, TileMatrices, fraction, tile_mean_iou


def test_scores_by_hand():
    truth = torch.tensor([[0, 0, 0, 0], [1, 1, 2, 255]])
    prediction = torch.tensor([[0, 0, 0, 1], [1, 2, 2, 0]])
    matrix = ConfusionMatrix(3)
    matrix.update(truth, prediction)
    assert matrix.counts.tolist() == [[3, 1, 0], [0, 1, 1], [0, 0, 1]]
    scores = matrix.scores()
    assert scores.pixel_accuracy == pytest.approx(5 / 7)
    assert scores.mean_accuracy == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert scores.class_iou == pytest.approx((3 / 4, 1 / 3, 1 / 2))
    assert scores.mean_iou == pytest.approx((3 / 4 + 1 / 3 + 1 / 2) / 3)
    assert scores.frequency_weighted_iou == pytest.approx((4 * 3 / 4 + 2 * 1 / 3 + 1 * 1 / 2) / 7)
    assert scores.class_pixels == (4, 2, 1)
    assert scores.class_producers_accuracy == pytest.approx((3 / 4, 1 / 2, 1))
    assert scores.class_users_accuracy == pytest.approx((1, 1 / 2, 1 / 2))
    assert scores.class_f1 == pytest.approx((6 / 7, 2 / 4, 2 / 3))


def random_maps(seed):
    """Five maps of six classes with ignored pixels, and predictions of which more than half are right."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 6, (5, 40, 30))
    prediction = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 6, truth.shape))
    truth[rng.random(truth.shape) < 0.2] = 255
    return truth, prediction


@pytest.mark.parametrize("seed", range(3))
def test_scores_equal_those_of_scikit_learn(seed):
    truth, prediction = random_maps(seed)
    matrix = ConfusionMatrix(6)
    for t, p in zip(truth, prediction, strict=True):  # batch by batch, in the types of evaluation
        matrix.update(torch.from_numpy(t.astype(np.uint8)), torch.from_numpy(p))
    known = truth != 255
    t, p = truth[known], prediction[known]
    np.testing.assert_array_equal(matrix.counts.numpy(), confusion_matrix(t, p))
    scores = matrix.scores()
    iou = jaccard_score(t, p, average=None)
    assert scores.pixel_accuracy == pytest.approx(accuracy_score(t, p))
    assert scores.mean_accuracy == pytest.approx(balanced_accuracy_score(t, p))
    assert scores.class_iou == pytest.approx(tuple(iou))
    precision, recall, f1, _ = precision_recall_fscore_support(t, p)
    assert scores.class_users_accuracy == pytest.approx(tuple(precision))
    assert scores.class_producers_accuracy == pytest.approx(tuple(recall))
    assert scores.class_f1 == pytest.approx(tuple(f1))
    assert scores.mean_iou == pytest.approx(jaccard_score(t, p, average="macro"))
    assert scores.frequency_weighted_iou == pytest.approx(jaccard_score(t, p, average="weighted"))


def test_a_class_that_is_only_predicted_has_no_iou_and_lowers_that_of_others():
    matrix = ConfusionMatrix(4)
    matrix.update(torch.tensor([1, 1, 2, 2]), torch.tensor([1, 3, 2, 2]))
    scores = matrix.scores()
    assert scores.class_iou == (None, 0.5, 1.0, None)
    assert scores.class_producers_accuracy == (None, 0.5, 1.0, None)
    assert scores.class_users_accuracy == (
        None,
        1.0,
        1.0,
        0.0,
    )  # class 0 is neither true nor predicted, class 3 is wrong
    assert scores.class_f1 == (None, pytest.approx(2 / 3), 1.0, None)
    assert scores.mean_iou == 0.75
    assert scores.mean_accuracy == 0.75
    assert scores.frequency_weighted_iou == 0.75


def test_a_class_that_is_never_found_counts_as_zero():
    matrix = ConfusionMatrix(2)
    matrix.update(torch.tensor([0, 1]), torch.tensor([0, 0]))
    assert matrix.scores().class_iou == (0.5, 0.0)
    assert matrix.scores().mean_iou == 0.25
    assert matrix.scores().of_classes() == {
        "iou": (0.5, 0.0),
        "producers_accuracy": (1.0, 0.0),
        "users_accuracy": (0.5, None),  # nothing was predicted as class 1
        "f1": (pytest.approx(2 / 3), 0.0),
    }


def test_perfect_is_exactly_one():
    truth = torch.tensor([0, 1, 1, 1, 4, 4, 255])
    matrix = ConfusionMatrix(5)
    matrix.update(truth, truth.masked_fill(truth == 255, 3))
    scores = matrix.scores()
    assert (scores.pixel_accuracy, scores.mean_accuracy, scores.mean_iou, scores.frequency_weighted_iou) == (1,) * 4
    assert scores.class_iou == (1.0, 1.0, None, None, 1.0)


@pytest.mark.parametrize("truth", [torch.zeros(0, dtype=torch.uint8), torch.full((2, 3, 3), 255)])
def test_nothing_counted_is_none(truth):
    matrix = ConfusionMatrix(3)
    matrix.update(truth, torch.zeros_like(truth))
    scores = matrix.scores()
    absent = (None, None, None)
    assert scores == Scores(None, None, None, None, absent, (0, 0, 0), absent, absent, absent)


def test_another_ignore_index():
    matrix = ConfusionMatrix(3)
    matrix.update(torch.tensor([0, 2, 2]), torch.tensor([0, 0, 2]), ignore_index=2)
    assert matrix.counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_published_keys_survive_json():
    matrix = ConfusionMatrix(3)
    matrix.update(torch.tensor([0, 0, 2]), torch.tensor([0, 2, 2]))
    published = json.loads(json.dumps(matrix.scores().published(), allow_nan=False))
    assert list(published) == ["Pixel Accuracy", "Mean Accuracy", "Frequency Weighted IoU", "Mean IoU", "Class IoU"]
    assert published["Class IoU"] == {"0": 0.5, "1": None, "2": 0.5}
    assert published["Pixel Accuracy"] == pytest.approx(2 / 3)
    assert published["Mean Accuracy"] == 0.75
    assert published["Frequency Weighted IoU"] == 0.5


def test_published_scores_of_nothing_are_null():
    published = ConfusionMatrix(2).scores().published()
    assert published.pop("Class IoU") == {"0": None, "1": None}
    assert set(published.values()) == {None}


def test_counts_beyond_float32():
    counts = torch.zeros(2, 2, dtype=torch.int64)
    counts[0, 0], counts[0, 1] = 2**31, 1  # float32 would lose the one
    assert Scores.of(counts).pixel_accuracy == 2**31 / (2**31 + 1) < 1


@pytest.mark.parametrize("seed", range(3))
def test_matrices_of_tiles_equal_those_of_scikit_learn(seed):
    truth, prediction = random_maps(seed)
    truth[4, 20:] = truth[4, :20] = 255  # a tile without a label
    matrices = TileMatrices(6)
    for rows in (slice(0, 2), slice(2, 5)):  # in batches of different sizes
        matrices.update(torch.from_numpy(truth[rows].astype(np.uint8)), torch.from_numpy(prediction[rows]))
    known = truth != 255
    expected = [
        confusion_matrix(t[k], p[k], labels=range(6)) for t, p, k in zip(truth[:4], prediction, known, strict=False)
    ]
    assert matrices.tiles.dtype == torch.int32
    np.testing.assert_array_equal(matrices.tiles[:4].numpy(), expected)
    assert matrices.tiles[4].sum() == 0
    t, p = truth[known], prediction[known]
    np.testing.assert_array_equal(matrices.counts.numpy(), confusion_matrix(t, p))
    scores = matrices.scores()
    assert scores.pixel_accuracy == pytest.approx(accuracy_score(t, p))
    assert scores.mean_accuracy == pytest.approx(balanced_accuracy_score(t, p))
    assert scores.class_iou == pytest.approx(tuple(jaccard_score(t, p, average=None)))
    assert scores.frequency_weighted_iou == pytest.approx(jaccard_score(t, p, average="weighted"))
    of_tiles = tile_mean_iou(matrices.tiles)
    for tile in range(4):
        t, p = truth[tile][known[tile]], prediction[tile][known[tile]]
        assert float(of_tiles[tile]) == pytest.approx(jaccard_score(t, p, average="macro"))
    assert of_tiles[4].isnan()


def test_a_tile_takes_four_bytes_for_a_pair_of_classes():
    matrices = TileMatrices(18)
    matrices.update(torch.zeros(7, 4, 4, dtype=torch.uint8), torch.zeros(7, 4, 4, dtype=torch.int64))
    assert matrices.tiles.nbytes == 7 * 18 * 18 * 4


def test_mean_iou_of_a_tile_is_over_its_own_classes():
    tiles = torch.tensor([[[3, 1, 0], [0, 0, 0], [0, 0, 0]], [[1, 0, 1], [0, 2, 0], [0, 0, 0]]])
    assert tile_mean_iou(tiles).tolist() == [0.75, 0.75]


def test_a_score_that_does_not_exist_is_a_dash():
    assert (fraction(0.0), fraction(2 / 3), fraction(1 / 3, 4), fraction(None)) == ("0.000", "0.667", "0.3333", "–")
