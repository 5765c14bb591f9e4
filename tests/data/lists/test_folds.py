import pytest

from data.footprints.records import TileRecord, write_tiles_csv
from data.lists.folds import file_name, folds_of
from tests.conftest import write_custom, write_list
from utils.errors import DataError
from utils.studies.parts import FoldSettings

SIDE = 32


@pytest.fixture
def towns(tmp_path):
    """Twelve tiles of three areas; the last one has no mask."""
    made = write_custom(tmp_path, 12)
    names = [f"{area}_{number}" for area in ("east", "north", "west") for number in range(4)]
    for old, new in zip(made.names, names, strict=True):
        for folder in ("images", "masks"):
            (tmp_path / folder / f"{old}.png").rename(tmp_path / folder / f"{new}.png")
    text = (tmp_path / "dataset.json").read_text()
    (tmp_path / "dataset.json").write_text(text.replace('"name"', '"group": "^([a-z]+)", "name"', 1))
    labels = (tmp_path / "scene_labels.csv").read_text()
    for old, new in reversed([*zip(made.names, names, strict=True)]):
        labels = labels.replace(f"{old},", f"{new},")
    (tmp_path / "scene_labels.csv").write_text(labels)
    (tmp_path / "masks" / "west_3.png").unlink()
    write_list(tmp_path / "train.txt", names[:9])
    write_list(tmp_path / "test.txt", names[9:])
    return tmp_path


def write_places(folder, names, apart: float = 1000.0) -> None:
    """Tiles of an area side by side, two scenes an area; areas are `apart` pixels."""
    records = []
    for place, name in enumerate(names):
        area, number = divmod(place, 4)
        scene = f"{name.split('_')[0]}{number // 2}"
        x = area * (apart + 4 * SIDE) + number * SIDE
        transform = (1.0, 0.0, x, 0.0, -1.0, 0.0)
        records.append(TileRecord(name, scene, 0, 0, SIDE, SIDE, "EPSG:32633", transform, list="train"))
    write_tiles_csv(folder / "tiles.csv", records)


def test_each_area_is_tested_once_and_is_in_no_other_list(towns):
    folds = folds_of(FoldSettings(val_share=0.25), "custom", towns)
    assert [fold.area for fold in folds] == ["east", "north", "west"]
    for fold in folds:
        assert all(name.startswith(fold.area) for name in fold.test)
        assert not any(name.startswith(fold.area) for name in (*fold.train, *fold.val))
        assert len(fold.val) == 2
        assert not set(fold.val) & set(fold.train)
    assert [len(fold.test) for fold in folds] == [4, 4, 3]  # a tile without a mask is not scored
    assert "west_3" in folds[0].train


def test_some_areas_and_no_validation(towns):
    (fold,) = folds_of(FoldSettings(areas=("north",), val_share=0), "custom", towns)
    assert (fold.area, len(fold.train), fold.val) == ("north", 8, [])


def test_tiles_of_a_scene_stay_on_one_side(towns):
    names = [f"{area}_{number}" for area in ("east", "north", "west") for number in range(4)]
    write_places(towns, names)
    for fold in folds_of(FoldSettings(val_share=0.25), "custom", towns):
        pairs = {
            frozenset((f"{area}_{2 * i}", f"{area}_{2 * i + 1}")) for area in ("east", "north", "west") for i in (0, 1)
        }
        assert all(pair <= set(fold.train) or not pair & set(fold.train) for pair in pairs)


def test_a_gap_is_kept_to_test_and_validation_tiles(towns):
    names = [f"{area}_{number}" for area in ("east", "north", "west") for number in range(4)]
    write_places(towns, names, apart=10.0)
    (fold,) = folds_of(FoldSettings(areas=("north",), val_share=0, gap=20), "custom", towns)
    assert set(fold.train) == set(names[:3]) | set(names[9:])  # both neighbours of the area are dropped


def test_folds_by_scene(towns):
    write_places(towns, [f"{area}_{number}" for area in ("east", "north", "west") for number in range(4)])
    assert len(folds_of(FoldSettings(by="scene"), "custom", towns)) == 6


def test_what_is_refused(towns):
    with pytest.raises(DataError, match="unknown area 'nord'; did you mean north"):
        folds_of(FoldSettings(areas=("nord",)), "custom", towns)
    with pytest.raises(DataError, match=r"tiles\.csv does not say its scene"):
        folds_of(FoldSettings(by="scene"), "custom", towns)
    with pytest.raises(DataError, match="leave `gap` out"):
        folds_of(FoldSettings(gap=1), "custom", towns)
    text = (towns / "dataset.json").read_text()
    (towns / "dataset.json").write_text(text.replace("^([a-z]+)", "^()"))
    with pytest.raises(DataError, match="belong to no area"):
        folds_of(FoldSettings(), "custom", towns)


def test_an_areas_name_in_names_of_files():
    assert file_name("tile 3/b_c") == "tile-3-b-c"
