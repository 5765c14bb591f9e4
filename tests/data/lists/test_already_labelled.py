import numpy as np
import pytest

from data.dataset_json import load_description
from data.lists.already_labelled import already_labelled, dominant_classes
from data.reader import TileReader
from tests.conftest import TinySet, write_custom, write_list
from tests.files import image_file
from utils.errors import DataError


@pytest.fixture
def tiles(tmp_path) -> TinySet:
    """Masks: three quarters water, three quarters without a class, half and half, none."""
    tiny = write_custom(tmp_path / "set", classes=["Dry", "Wet", "other"])
    masks = [np.full((32, 32), 1, np.uint8) for _ in range(3)]
    masks[0][:8] = 0
    masks[1][:24] = 255
    masks[2][:16] = 0
    for name, mask in zip(tiny.names, masks, strict=False):
        (tiny.folder / "masks" / f"{name}.png").write_bytes(image_file(mask))
    (tiny.folder / "masks" / "tile3.png").unlink()
    return tiny


def reader_of(tiny: TinySet) -> TileReader:
    return TileReader(load_description("custom", tiny.folder), tiny.folder, (0, 0))


def test_the_class_of_most_of_a_mask_is_the_scene_class_where_it_is_called_so(tiles: TinySet):
    assert dominant_classes(reader_of(tiles), tiles.names[:3]) == {"tile0": "wet"}
    assert dominant_classes(reader_of(tiles), tiles.names[:3], 0.45)["tile2"] in ("dry", "wet")
    assert dominant_classes(reader_of(tiles), tiles.names[:3], 0.8) == {}


def test_tiles_with_masks_or_of_a_file(tiles: TinySet, tmp_path, capsys):
    reader, labels = reader_of(tiles), {"tile0": "dry"}
    found = already_labelled("masks", reader, tiles.names, tiles.list_path, labels)
    assert found == {"tile0": "dry", "tile1": None, "tile2": None}
    path = write_list(tmp_path / "names.txt", ["tile3", "tile0"])
    assert already_labelled(str(path), reader, tiles.names, tiles.list_path, {}) == {"tile3": None, "tile0": "wet"}
    (tiles.folder / "masks" / "tile0.png").write_bytes(b"no image")
    assert already_labelled("masks", reader, tiles.names, tiles.list_path, {})["tile0"] is None
    assert "1 masks tell no scene class (tile0)" in capsys.readouterr().err
    with pytest.raises(DataError, match="are not in"):
        already_labelled(str(write_list(path, ["nowhere"])), reader, tiles.names, tiles.list_path, {})
