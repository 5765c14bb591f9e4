"""Arrays of chosen names that are no arrays of names, name no tile of the list, or hold code."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.files import Hostile, archive_file, array_file

NAMES = np.array(["tile0", "tile2"])
BAD_ARRAYS: dict[str, tuple[Callable[[Path], bytes | None], int, str]] = {
    "missing": (lambda _: None, 2, "no names array"),
    "zero bytes": (lambda _: b"", 1, "not a readable .npy"),
    "text": (lambda _: b"tile0\ntile2\n", 1, "which are never loaded"),
    "web page": (lambda _: b"<html></html>", 1, "which are never loaded"),
    "cut": (lambda _: array_file(NAMES)[:-7], 1, "not a readable .npy"),
    "cut header": (lambda _: array_file(NAMES)[:30], 1, "not a readable .npy"),
    "objects": (lambda _: array_file(np.array(["tile0", None], object)), 1, "never loaded"),
    "code": (lambda folder: array_file(np.array([Hostile(folder)], object)), 1, "never loaded"),
    "plain pickle": (lambda folder: pickle.dumps(Hostile(folder)), 1, "never loaded"),
    "no names": (lambda _: array_file(np.array([], np.str_)), 1, "holds no names"),
    "bytes": (lambda _: array_file(np.array([b"tile0"])), 1, "|S5"),
    "numbers": (lambda _: array_file(np.arange(2)), 1, "int64"),
    "two dimensions": (lambda _: array_file(NAMES[None]), 1, "(1, 2)"),
    "one text": (lambda _: array_file(np.array("tile0")), 1, "shape ()"),
    "several arrays": (lambda _: archive_file(names=NAMES), 1, "archive"),
    "unknown names": (lambda _: array_file(np.array(["tile0", "tile9"])), 1, "1 of 2 names are not in"),
    "repeated names": (lambda _: array_file(np.array(["tile0", "tile0"])), 1, "repeats 'tile0'"),
    "repeated by ending": (lambda _: array_file(np.array(["tile0", "tile0.png"])), 1, "repeats 'tile0'"),
    "leaves the folder": (lambda _: array_file(np.array(["../tile0"])), 1, "are not in"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_names_array_is_refused_and_never_run(argv, refused, custom_set, tmp_path, kind):
    make, code, words = BAD_ARRAYS[kind]
    path = tmp_path / "names.npy"
    if (content := make(tmp_path / "executed")) is not None:
        path.write_bytes(content)
    chosen = {"active_learning": True, "active_learning_images_array": path}
    assert words in refused(code, "train_s4gan", argv("train_s4gan", custom_set, **chosen))
    assert not (tmp_path / "executed").exists()


def test_names_of_another_count_than_the_ratio_are_a_warning(argv, accepted, custom_set, tmp_path):
    np.save(tmp_path / "names.npy", NAMES)
    chosen = {"active_learning": True, "active_learning_images_array": tmp_path / "names.npy", "labeled_ratio": "0.25"}
    assert "holds 2 names, but --labeled-ratio 0.25 of 4 tiles is 1" in accepted(
        "train_s4gan", argv("train_s4gan", custom_set, **chosen)
    )
