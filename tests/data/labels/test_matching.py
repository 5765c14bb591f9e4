import pytest

from data.labels.matching import match_names
from utils.errors import DataError, OptionError

IMAGES = ["202309_patchN_3", "202309_patchN_12", "202309_patchN_7"]
MASKS = ["202309_mask_12", "202309_mask_3", "202309_mask_70"]


def test_the_match_in_an_images_name_is_replaced():
    found = match_names(IMAGES, MASKS, r"patchN_(\d+)=mask_\1")
    assert list(found.items()) == [("202309_patchN_3", "202309_mask_3"), ("202309_patchN_12", "202309_mask_12")]
    assert match_names(["patch7_0"], ["mask_0"], r"patch\d+=mask") == {"patch7_0": "mask_0"}
    assert match_names(["a_img"], ["a"], r"(?P<all>.*)(?=_img)_img=\g<all>") == {"a_img": "a"}  # the last = parts them


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("patchN", "expected IMAGE=MASK"),
        ("=mask", "expected IMAGE=MASK"),
        ("patchN=", "expected IMAGE=MASK"),
        (r"patchN_(\d+=mask", r"missing \), unterminated subpattern"),
        (r"patchN_\d+=mask_\1", "invalid group reference 1"),
        (r"patchN=mask_\g<x>", "unknown group name 'x'"),
        (r"tile_(\d+)=mask_\1", r"matches none of the 3 images \(202309_patchN_12, 202309_patchN_3, 202309_patchN_7\)"),
        (
            r"patchN_(\d+)=label_\1",
            r"makes '202309_label_3' of '202309_patchN_3', and there is no such mask, nor one of the 2 other images it "
            r"matches; the 3 masks are 202309_mask_12, 202309_mask_3, 202309_mask_70",
        ),
    ],
)
def test_expressions_that_give_no_mask_are_refused(expression: str, message: str):
    with pytest.raises(OptionError, match=message):
        match_names(IMAGES, MASKS, expression)


def test_a_mask_has_one_image():
    with pytest.raises(DataError, match=r"gives 1 mask to several images, such as 'mask_1' to a_1, b_1; write it so"):
        match_names(["a_1", "b_1", "c_2"], ["mask_1"], r".*_(\d)=mask_\1")


def test_an_expression_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("utils.patterns._SECONDS", 0.3)
    with pytest.raises(OptionError, match=r"finds no end in 'a+b': 0\.3 seconds were over"):
        match_names(["a" * 40 + "b"], ["x"], r"^(a+)+$=x")
