"""Masks as runs: as Label Studio's and COCO's own tools write them, and there and back."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from data.labelling.run_lengths import decode_brush, decode_coco, encode_brush
from tests.data.labelling.tool_files import column_runs, packed

MASK = np.zeros((6, 9), bool)
MASK[1:4, 2:7] = MASK[5, 8] = MASK[0, 0] = True
MASK[2, 4] = False
BY_LABEL_STUDIO = [  # written by label-studio-converter 0.0.59
    0, 0, 0, 216, 57, 27, 252, 127, 248, 156, 3, 9, 255, 223, 0, 159, 254, 48, 9, 255, 239, 128, 97, 63, 252, 150, 1,
    31, 248,
]  # fmt: skip
BY_COCO = "01<2G00NN02200:N"  # written by pycocotools 2.0.11

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


def test_what_the_tools_themselves_write():
    np.testing.assert_array_equal(decode_brush(BY_LABEL_STUDIO, 6, 9), MASK)
    np.testing.assert_array_equal(decode_coco(BY_COCO, 6, 9), MASK)
    assert packed(column_runs(MASK)) == BY_COCO


@settings(max_examples=25)
@given(masks)
def test_there_and_back(mask):
    np.testing.assert_array_equal(decode_brush(encode_brush(mask), *mask.shape), mask)
    np.testing.assert_array_equal(decode_coco(column_runs(mask), *mask.shape), mask)
    np.testing.assert_array_equal(decode_coco(packed(column_runs(mask)), *mask.shape), mask)


def test_runs_longer_than_a_packet():
    mask = np.zeros((300, 300), bool)
    mask[100:] = True
    np.testing.assert_array_equal(decode_brush(encode_brush(mask), 300, 300), mask)


def test_soft_edges_of_a_brush_count_from_half_on():
    values = [0, 0, 0, 127, 0, 0, 0, 128]
    bits = f"{8:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16)) + "000" + f"{7:03b}"
    bits += "".join(f"{value:08b}" for value in values)
    bits += "0" * (-len(bits) % 8)
    rle = [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]
    assert decode_brush(rle, 1, 2).tolist() == [[False, True]]


def _fault(decode: Callable[..., np.ndarray], *arguments: object) -> str:
    """What a decoder says of damaged runs; empty where it reads them."""
    try:
        assert decode(*arguments).shape == arguments[1:]
    except ValueError as error:
        return str(error)
    return ""


@given(st.lists(st.integers(0, 255), max_size=40), st.integers(1, 9), st.integers(1, 9))
def test_any_bytes_are_a_mask_of_the_size_or_refused(rle, height, width):
    known = ("has a wrong length", "ends before", "goes on beyond")
    fault = _fault(decode_brush, rle, height, width)
    assert not fault or fault.startswith(known)


@given(st.text(alphabet=[chr(code) for code in range(40, 120)], max_size=12), st.integers(1, 9), st.integers(1, 9))
def test_any_text_is_a_mask_of_the_size_or_refused(text, height, width):
    known = ("has a wrong length", "ends before", "is no packed", "holds no lengths")
    fault = _fault(decode_coco, text, height, width)
    assert not fault or fault.startswith(known)


@pytest.mark.parametrize("counts", [None, {}, [1.5], [True], [-1, 7]])
def test_counts_that_are_none(counts):
    with pytest.raises(ValueError, match="holds no lengths of runs"):
        decode_coco(counts, 2, 3)
