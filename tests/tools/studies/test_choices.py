import numpy as np

from data.dataset_json import load_description
from tests.conftest import write_custom, write_image
from tools.studies import choices
from tools.studies.choices import Pool, SetOfTiles
from utils.studies.cells import Cell
from utils.studies.redundancy import Redundancy

CELL = Cell("town", "a", "tiny", "n2", "margin", "", 1)


def test_of_a_large_pool_tiles_from_all_over_it_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(choices, "LARGEST", 4)
    made = write_custom(tmp_path, 8)
    seen: list[str] = []

    def like(names: list[str]) -> np.ndarray:
        seen.extend(names)
        return np.ones((len(names), len(names)), bool) & ~np.eye(len(names), dtype=bool)

    pool = Pool(SetOfTiles(load_description("custom", tmp_path), tmp_path), made.names, {CELL: ["tile1", "tile3"]})
    assert dict(pool.near(like)) == {CELL: Redundancy(2, 2, 2.0)}
    assert seen == ["tile0", "tile2", "tile4", "tile6", "tile1", "tile3"]


def test_an_image_is_read_once_for_all_areas(tmp_path):
    made = write_custom(tmp_path, 4)
    tiles = SetOfTiles(load_description("custom", tmp_path), tmp_path)
    assert not tiles.alike(made.names).any()
    for name in made.names:  # they would be alike now
        write_image(tmp_path / "images" / f"{name}.png", np.full((32, 32, 3), 90, np.uint8))
    assert not tiles.alike(made.names[1:]).any()
    assert SetOfTiles(tiles.description, tmp_path).alike(made.names).sum() == 4 * 3
