"""Where the chosen tiles lie: the footprints that a run writes."""

from pathlib import Path

import pyogrio
import pytest

from data.footprints.records import read_shares, read_tiles_csv, write_gpkg
from tests.conftest import TinySet, write_overlapping
from tests.tools.train_AL.conftest import folder_of, names_of, options, run
from tools import train_AL


def chosen_in(path: Path) -> dict[str, bool]:
    meta, _, _, values = pyogrio.raw.read(path, read_geometry=False)
    fields = dict(zip(meta["fields"], (column.tolist() for column in values), strict=True))
    return dict(zip(fields["name"], fields["chosen"], strict=True))


@pytest.fixture
def placed_tiles(tmp_path: Path) -> TinySet:
    tiny = write_overlapping(tmp_path / "placed", "EPSG:32640")
    records = read_tiles_csv(tiny.folder / "tiles.csv")
    write_gpkg(tiny.folder / "tiles.gpkg", records, {"tile0": {"field": 0.5, "forest": 0.5}})
    return tiny


def test_footprints_say_which_tiles_were_chosen(placed_tiles: TinySet, tmp_path: Path):
    run(options(placed_tiles, tmp_path, data_list=placed_tiles.list_path, labeled_ratio="0.5"))
    path = folder_of(tmp_path, settings="0.5_0.5_1") / "tiles.gpkg"
    names = names_of(tmp_path, settings="0.5_0.5_1")
    assert len(names) == 2
    assert chosen_in(path) == {name: name in names for name in [*placed_tiles.names, "other"]}
    assert read_shares(path)["tile0"] == {"field": 0.5, "forest": 0.5}
    left = path.with_name(".tiles.gpkg.1-ab.gpkg-journal")  # of a process that was killed
    left.touch()
    run(options(placed_tiles, tmp_path, "--overwrite", data_list=placed_tiles.list_path, labeled_ratio="0.5"))
    assert path.is_file()
    assert not left.exists()


def test_tiles_without_a_place_have_no_footprints(tmp_path: Path):
    tiny = write_overlapping(tmp_path / "custom")
    run(options(tiny, tmp_path, data_list=tiny.list_path, labeled_ratio="0.5"))
    assert not list(tmp_path.rglob("tiles.gpkg"))


def test_footprints_are_written_after_each_round(placed_tiles: TinySet, tmp_path: Path, monkeypatch):
    written = []
    monkeypatch.setattr(train_AL, "write_chosen", lambda *args: written.append(list(args[-1])))
    run(options(placed_tiles, tmp_path, data_list=placed_tiles.list_path, labeled_ratio="0.75", alpha="0.4"))
    names = names_of(tmp_path, settings="0.75_0.4_1")
    assert written == [names[:1], names[:2], names, names]
