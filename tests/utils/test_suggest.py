import pytest

from utils.suggest import KnownNames, unknown

DATASETS = ("ucm", "deepglobe", "custom")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deepglob", "unknown dataset 'deepglob'; did you mean deepglobe?"),
        ("UCN", "unknown dataset 'UCN'; did you mean ucm?"),
        ("DEEPGLOBE2", "unknown dataset 'DEEPGLOBE2'; did you mean deepglobe?"),
        ("xyz", "unknown dataset 'xyz'; known are ucm, deepglobe, custom"),
        ("", "unknown dataset ''; known are ucm, deepglobe, custom"),
    ],
)
def test_the_nearest_names_are_offered_or_else_all(name: str, message: str):
    assert unknown("dataset", name, DATASETS) == message


def test_names_keep_their_own_spelling_and_the_nearest_comes_first():
    assert unknown("option", "--data-list2", ["--Data-Dir", "--data-list"]) == (
        "unknown option '--data-list2'; did you mean --data-list or --Data-Dir?"
    )


def test_of_many_names_twelve_are_listed():
    names = [f"{number:03d}" for number in range(40)]
    assert unknown("tile", "abc", names) == f"unknown tile 'abc'; known are {', '.join(names[:12])}, …"
    assert unknown("tile", "abc", names[:12]).endswith("010, 011")


def test_what_was_meant_differs_in_little_and_is_the_only_one():
    known = KnownNames(["Wet Land", "dry", "Dry", "007", "10"])
    assert [known.meant(text) for text in ("wet_land", "WET-land ", "7", "10", "dry", "DRY", "wetland")] == [
        "Wet Land", "Wet Land", "007", "10", "dry", None, None,
    ]  # fmt: skip
