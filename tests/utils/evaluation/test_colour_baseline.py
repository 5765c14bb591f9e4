import numpy as np

from utils.evaluation.colour_baseline import score_colours
from utils.imagery.labels import IGNORE_INDEX


def test_classes_that_differ_in_colour_are_told_apart_and_unlabelled_pixels_ignored():
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 1
    image = np.where(mask[..., None] == 1, [200, 20, 20], [10, 90, 30]).astype(np.uint8)
    mask[0] = IGNORE_INDEX
    assert score_colours([(image, mask)], [(image, mask)], 2).mean_iou == 1
    assert score_colours([(image, mask)], [(image[:, ::-1], mask)], 2).mean_iou == 0
