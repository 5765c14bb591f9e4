import numpy as np
import pytest

from data.labelled import require_labelled_pixels
from utils.errors import DataError

UNLABELLED = np.full((4, 4), 255, np.uint8)


def test_one_labelled_pixel_is_enough_and_ends_the_reading():
    read = []

    class Masks(list):
        def __getitem__(self, index):
            read.append(index)
            return super().__getitem__(index)

    labelled = UNLABELLED.copy()
    labelled[3, 3] = 0
    require_labelled_pixels(Masks([UNLABELLED, labelled, UNLABELLED]), "a list")
    assert read == [0, 1]


@pytest.mark.parametrize(("masks", "count"), [([UNLABELLED] * 2, 2), ([], 0), (None, 0)])
def test_masks_without_a_label_are_refused(masks, count):
    with pytest.raises(DataError, match=f"^a list: no pixel of the {count} masks has a class"):
        require_labelled_pixels(masks, "a list")
