import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.descriptions import DEEPGLOBE, UCM, Description
from data.lists.splits import random_names, read_names, read_names_array, split_names, tile_name
from tests.files import Hostile, archive_file, array_file
from utils.errors import DataError, OptionError
from utils.runs.files import write_names

CUSTOM = Description("custom", "images/{name}.jpg", "masks/{name}.png", ("a", "b"), ((0, 0, 0), (1, 1, 1)))
KNOWN = [f"forest{number:02d}" for number in range(10)]


def listed(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    return path


# --- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"forest00\nriver01\n", ["forest00", "river01"]),
        (b"forest00\nriver01", ["forest00", "river01"]),
        (b"forest00\r\nriver01\r\n", ["forest00", "river01"]),
        (b"forest00\rriver01\r", ["forest00", "river01"]),
        (b"\xef\xbb\xbfforest00\nriver01\n", ["forest00", "river01"]),
        (b"\n  forest00 \t\n\n   \nriver01\n\n", ["forest00", "river01"]),
        (b"forest00.tif\nriver01.PNG\nbeach.jpeg\n", ["forest00", "river01", "beach"]),
        (b"north field 1\nforest/00.tif\n", ["north field 1", "forest/00"]),
        ("wald_ä\n".encode(), ["wald_ä"]),
        (b"river01\nforest00\n", ["river01", "forest00"]),
    ],
    ids=["lf", "no-end", "crlf", "cr", "bom", "blanks", "endings", "inner-blank", "umlaut", "order"],
)
def test_lists_are_read_as_people_write_them(tmp_path: Path, content: bytes, names: list[str]):
    assert read_names(listed(tmp_path, content), UCM) == names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no names"),
        (b"\n \r\n\n", "holds no names"),
        (b"a\nb\na\n", "line 3: 'a' stands on line 1 already"),
        (b"a\n\na.tif\n", "line 3: 'a' stands on line 1 already"),
        (b"a\n../b\n", r"line 2: '\.\./b' leads out of the data folder"),
        (b"a/../../b\n", "line 1: .* leads out of the data folder"),
        (b"a\n/etc/passwd\n", "line 2: '/etc/passwd' leads out of the data folder"),
        (b"C:\\tiles\\a\n", "line 1: .* leads out of the data folder"),
        (b"a\nb\n\xff\xfe\n", "line 3: not UTF-8"),
        (b"a\n" + b"b" * 300, "line 2: 300 characters are no tile name"),
    ],
)
def test_a_line_that_cannot_be_a_name_is_named(tmp_path: Path, content: bytes, message: str):
    path = listed(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_names(path, UCM)
    assert str(caught.value).startswith(str(path))


def test_a_missing_list_a_folder_and_a_list_that_may_not_be_read_are_option_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(OptionError, match=r"no list of names at .*none\.txt"):
        read_names(tmp_path / "none.txt", UCM)
    with pytest.raises(OptionError, match="is a folder"):
        read_names(tmp_path, UCM)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = listed(tmp_path, b"a\n")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(OptionError, match=r"list\.txt cannot be read \(permission denied\); check its rights"):
        read_names(path, UCM)


@pytest.mark.parametrize(
    ("text", "description", "name"),
    [
        ("119_sat.jpg", DEEPGLOBE, "119"),
        ("119_mask.png", DEEPGLOBE, "119"),
        ("119", DEEPGLOBE, "119"),
        ("a.jpg", CUSTOM, "a"),
        ("a.b.tif", CUSTOM, "a.b"),
        (".tif", CUSTOM, ".tif"),
        ("v1.0", CUSTOM, "v1.0"),
        ("a.jpg", replace(CUSTOM, images="images/{name}"), "a.jpg"),
    ],
)
def test_known_endings_are_no_part_of_a_name(text: str, description: Description, name: str):
    assert tile_name(text, description) == name


def test_a_written_list_is_read_back(tmp_path: Path):
    names = ["river01", "forest 00", "wald/ä"]
    write_names(tmp_path / "new" / "list.txt", names)
    assert read_names(tmp_path / "new" / "list.txt", UCM) == names
    assert (tmp_path / "new" / "list.txt").read_bytes().endswith("\nwald/ä\n".encode())


# --- names of the active learner -------------------------------------------------------------------------------------


def read_array(path: Path) -> list[str]:
    return read_names_array(path, UCM, KNOWN, Path("train.txt"))


def test_an_array_and_a_text_file_of_names_are_read_in_their_order(tmp_path: Path):
    np.save(tmp_path / "names.npy", np.array(["forest07", "forest01.tif"]))
    assert read_array(tmp_path / "names.npy") == ["forest07", "forest01"]
    np.save(tmp_path / "other order.npy", np.array(["forest07", "forest01"]).astype(">U9"))
    assert read_array(tmp_path / "other order.npy") == ["forest07", "forest01"]
    assert read_array(listed(tmp_path, b"forest07\nforest01.tif\n")) == ["forest07", "forest01"]


@pytest.mark.parametrize("wrapped", [True, False], ids=["array-of-objects", "bare-pickle"])
def test_a_pickle_is_refused_and_never_run(tmp_path: Path, wrapped: bool):
    path, marker = tmp_path / "names.npy", tmp_path / "marker"
    code = Hostile(marker)
    if wrapped:
        np.save(path, np.array([code], dtype=object), allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(code))
    with pytest.raises(DataError, match=r"names\.npy holds Python objects, which are never loaded"):
        read_array(path)
    assert not marker.exists()


NAMES = array_file(np.array(KNOWN))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (array_file(np.arange(3)), r"holds int64 of shape \(3,\)"),
        (array_file(np.array([0.5])), "holds float64"),
        (array_file(np.array([b"forest00"])), r"holds \|S8"),
        (array_file(np.array([["forest00", "forest01"]])), r"of shape \(1, 2\)"),
        (array_file(np.array("forest00")), r"of shape \(\)"),
        (array_file(np.array([], dtype="U4")), "holds no names"),
        (b"", "not a readable .npy"),
        (NAMES[:60], "not a readable .npy"),
        (NAMES[:-20], "not a readable .npy"),
        (NAMES[:-1] + b"\xff", "not a readable .npy"),
        (NAMES[:20] + b"(" + NAMES[21:], "not a readable .npy"),
        (archive_file(names=np.array(KNOWN)), "is an archive of arrays"),
        (archive_file(names=np.array(KNOWN))[:100], "not a readable .npy"),
        (array_file(np.array(["forest00", "forest01", "forest00"])), "repeats 'forest00'"),
        (array_file(np.array(["forest00", "forest00.tif"])), "repeats 'forest00'"),
        (
            array_file(np.array(["forest00", "beach1", "beach2"])),
            r"2 of 3 names are not in train\.txt \('beach1', 'beach2'\)",
        ),
    ],
    ids=[
        "numbers", "floats", "bytes", "2-d", "0-d", "none", "empty", "cut-header", "cut-data", "no-character",
        "bracket", "archive", "cut-archive", "repeated", "repeated-with-ending", "unknown",
    ],
)  # fmt: skip
def test_an_array_that_holds_anything_else_is_refused(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "names.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_array(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_array_says_which_command_writes_it(tmp_path: Path):
    with pytest.raises(OptionError, match=r"tools/train_AL\.py"):
        read_array(tmp_path / "none.npy")


def test_unknown_names_of_a_text_file_are_an_error_too(tmp_path: Path):
    with pytest.raises(DataError, match="1 of 2 names are not in"):
        read_array(listed(tmp_path, b"forest00\nbeach00\n"))


# --- splits ----------------------------------------------------------------------------------------------------------


def test_the_random_baseline_is_a_seeded_draw_without_replacement():
    drawn = random_names(KNOWN, 4, seed=1)
    assert drawn == random_names(KNOWN, 4, seed=1)
    assert drawn != random_names(KNOWN, 4, seed=2)
    assert len(set(drawn)) == 4
    assert set(drawn) <= set(KNOWN)
    assert random_names(KNOWN, 6, seed=1)[:4] == drawn  # a larger budget keeps the tiles of a smaller one
    assert sorted(random_names(KNOWN, 10, seed=1)) == KNOWN


names_of_tiles = st.lists(st.text("abcdefgh", min_size=1, max_size=6), unique=True, min_size=2, max_size=60)
shares = st.floats(0.05, 0.95)


@given(names_of_tiles, shares, st.integers(0, 2**32))
def test_a_split_is_complete_disjoint_in_order_and_never_one_sided(names: list[str], share: float, seed: int):
    first, second = split_names(names, share, seed)
    assert first == [name for name in names if name not in second]
    assert second == [name for name in names if name not in first]
    assert sorted(first + second) == sorted(names)
    assert first
    assert second
    assert abs(len(second) - share * len(names)) <= 1
    assert split_names(names, share, seed) == (first, second)


def test_another_seed_splits_otherwise():
    names = [str(number) for number in range(50)]
    assert split_names(names, 0.2, 1) != split_names(names, 0.2, 2)
    assert [len(part) for part in split_names(names, 0.2, 1)] == [40, 10]


@given(st.lists(st.integers(0, 4), min_size=5, max_size=80), shares, st.integers(0, 2**32))
def test_each_class_is_split_by_the_share_to_within_a_tile(classes: list[int], share: float, seed: int):
    names = [f"tile{number}" for number in range(len(classes))]
    stratum = {name: str(label) for name, label in zip(names, classes, strict=True) if label}  # class 0: not known
    _, second = split_names(names, share, seed, stratum)
    total, taken = Counter(map(stratum.get, names)), Counter(map(stratum.get, second))
    assert all(abs(taken[label] - share * count) <= 1 for label, count in total.items())
    assert abs(len(second) - share * len(names)) <= 1


def test_ucm_is_split_80_to_20_in_every_class():
    assert UCM.scene_classes is not None
    stratum = {f"{label}{number:02d}": label for label in UCM.scene_classes for number in range(100)}
    first, second = split_names(list(stratum), 0.2, 0, stratum)
    assert set(Counter(stratum[name] for name in second).values()) == {20}
    assert len(first) == 1680


@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), shares, st.integers(0, 2**32))
def test_tiles_of_one_scene_stay_on_one_side(scenes: list[int], share: float, seed: int):
    names = [f"tile{number}" for number in range(len(scenes))]
    group = {name: str(scene) for name, scene in zip(names, scenes, strict=True)}
    first, second = split_names(names, share, seed, dict.fromkeys(names, "class"), group)
    assert sorted(first + second) == sorted(names)
    assert first
    assert second
    if len(set(scenes)) > 1:
        assert {group[name] for name in first}.isdisjoint(group[name] for name in second)
        # Nearer to the share is no scene away than its half, unless a single scene is all there is to take.
        largest = max(Counter(scenes).values())
        assert abs(len(second) - share * len(names)) <= largest


def test_many_small_scenes_come_close_to_the_share():
    group = {f"tile{number}": f"scene{number // 4}" for number in range(400)}
    first, second = split_names(list(group), 0.2, 0, group=group)
    assert (len(first), len(second)) == (320, 80)


def test_tiles_without_a_scene_are_split_one_by_one():
    names = [f"tile{number}" for number in range(20)]
    group = {"tile0": "north", "tile1": "north"}
    first, second = split_names(names, 0.5, 0, group=group)
    assert ("tile0" in first) == ("tile1" in first)
    assert 9 <= len(second) <= 11
