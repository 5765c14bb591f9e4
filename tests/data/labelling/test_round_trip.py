"""There and back: what is exported, filled in as each tool would write it, and imported."""

import json

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from PIL import Image

from data.labelling.ledger import read_ledger
from data.rasters.places.crs import crs_way
from tests.data.labelling.commands import assert_same, exported, imported
from tests.data.labelling.conftest import UTM
from tests.data.labelling.tool_files import (
    areas,
    coco,
    coloured,
    cvat_files,
    label_studio,
    labelme,
    png,
    write_json,
    write_layer,
    zipped,
)  # fmt: skip


def test_cvat(unplaced, tmp_path):
    out = exported(unplaced, "cvat")
    lines = (out / "labelmap.txt").read_text().splitlines()
    colours = [tuple(map(int, line.split(":")[1].split(","))) for line in lines[2:]]
    labels = json.loads((out / "labels.json").read_text())
    assert [entry["name"] for entry in labels] == ["field", "forest", "water"]
    files = cvat_files(unplaced.masks)
    files["labelmap.txt"] = (out / "labelmap.txt").read_bytes()
    files |= {f"SegmentationClass/{n}.png": png(coloured(ids, colours)) for n, ids in unplaced.masks.items()}
    assert_same(imported(unplaced.folder, zipped(tmp_path / "back.zip", files)), unplaced.masks)


@pytest.mark.parametrize("kind", ["rle", "packed", "polygons"])
def test_coco(unplaced, tmp_path, kind):
    exported(unplaced, "cvat")
    source = write_json(tmp_path / "coco.json", coco(unplaced.masks, kind))
    assert_same(imported(unplaced.folder, source), unplaced.masks)


@pytest.mark.parametrize("kind", ["brush", "polygons"])
def test_label_studio_with_the_time_it_took(unplaced, tmp_path, kind):
    out = exported(unplaced, "label-studio")
    tasks = json.loads((out / "tasks.json").read_text())
    assert [task["data"]["tile"] for task in tasks] == unplaced.tiny.names
    assert 'hotkey="3"' in (out / "label_config.xml").read_text()
    source = write_json(tmp_path / "export.json", label_studio(unplaced.masks, kind, seconds=90))
    assert_same(imported(unplaced.folder, source), unplaced.masks)
    assert [(r.round, r.kind, r.source, r.draft, r.minutes) for r in read_ledger(unplaced.folder)] == [
        (1, "mask", "label-studio", False, 1.5)
    ] * 3


def test_label_studio_finds_tiles_by_its_own_key(unplaced, tmp_path):
    tasks = label_studio(unplaced.masks)
    for task, name in zip(tasks, unplaced.masks, strict=True):
        task["data"] = {"image": "data:image/png;base64,AAAA", "tile": name}
    assert_same(imported(unplaced.folder, write_json(tmp_path / "export.json", tasks)), unplaced.masks)


def test_labelme_folder_and_file(unplaced, tmp_path):
    folder = tmp_path / "labelme"
    folder.mkdir()
    for name, ids in unplaced.masks.items():
        write_json(folder / f"{name}.json", labelme(name, ids))
    assert_same(imported(unplaced.folder, folder), unplaced.masks)
    assert_same(imported(unplaced.folder, folder / "tile0.json", "--replace"), unplaced.masks)


def test_qgis_with_a_place(placed):
    out = exported(placed, "qgis")
    with rasterio.open(out / "images" / "tile1.tif") as tile:
        assert tile.crs.to_epsg() == 32640
        assert (tile.transform.c, tile.transform.a) == (300_020, 0.5)
        assert tile.shape == (24, 32)
    assert {name for name, kind in pyogrio.list_layers(out / "labels.gpkg") if kind} == {"labels", "tiles"}
    info = pyogrio.read_info(out / "labels.gpkg", layer="labels")
    assert (info["features"], info["fields"].tolist(), info["crs"]) == (0, ["class"], UTM)
    transforms = {f"tile{k}": (0.5, 0, 300_000 + 20 * k, 0, -0.5, 2_800_000) for k in range(3)}
    write_layer(out / "labels.gpkg", *areas(placed.masks, transforms), UTM, layer="labels", append=True, driver="GPKG")
    assert_same(imported(placed.folder, out / "labels.gpkg"), placed.masks)


def test_qgis_without_a_place(unplaced):
    """Tiles lie side by side, as their world files and footprints say."""
    out = exported(unplaced, "qgis")
    transforms = {}
    for name in unplaced.masks:
        a, d, b, e, x, y = map(float, (out / "images" / f"{name}.pgw").read_text().split())
        transforms[name] = (a, b, x - a / 2, d, e, y - e / 2)
    assert len(set(transforms.values())) == 3
    write_layer(
        out / "labels.gpkg", *areas(unplaced.masks, transforms), None, layer="labels", append=True, driver="GPKG"
    )
    assert_same(imported(unplaced.folder, out), unplaced.masks)  # the folder itself is enough


@pytest.mark.parametrize("ending", [".geojson", ".shp", ".gpkg"])
def test_polygons_of_any_gis_in_another_crs(placed, tmp_path, ending):
    """Within a pixel of their edges, where the CRS is another; equal where it is the tiles' own."""
    exported(placed, "qgis")
    transforms = {f"tile{k}": (0.5, 0, 300_000 + 20 * k, 0, -0.5, 2_800_000) for k in range(3)}
    geometries, labels = areas(placed.masks, transforms)
    crs = UTM
    if ending == ".geojson":
        way, crs = crs_way(UTM, "EPSG:4326"), "EPSG:4326"
        geometries = [shapely.transform(g, lambda p: np.stack(way(p[:, 0], p[:, 1]), axis=-1)) for g in geometries]
    source = write_layer(tmp_path / f"drawn{ending}", geometries, labels, crs)
    found = imported(placed.folder, source)
    if crs == UTM:
        assert_same(found, placed.masks)
    for name, ids in placed.masks.items():
        inner = np.all(
            [np.roll(ids, s, (0, 1)) == ids for s in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)]], 0
        )
        assert (found[name] == ids)[1:-1, 1:-1][inner[1:-1, 1:-1]].all()


@pytest.mark.parametrize("way", ["ids", "palette", "tool's colours", "transparent"])
def test_folder_of_masks(unplaced, tmp_path, way):
    out = exported(unplaced, "folder")
    rows = [line.split(",") for line in (out / "classes.csv").read_text().split()[1:]]
    table = np.zeros((256, 3), np.uint8)
    table[:3] = [[int(row[2][k : k + 2], 16) for k in (1, 3, 5)] for row in rows]
    for name, ids in unplaced.masks.items():
        image = Image.fromarray(ids)
        if way == "palette":
            image.putpalette(table.tobytes())
        elif way == "tool's colours":
            image = Image.fromarray(table[ids])
        elif way == "transparent":
            image = Image.fromarray(np.dstack([table[ids], np.where(ids == 255, 0, 255).astype(np.uint8)]))
        image.save(out / "masks" / f"{name}.png")
    assert_same(imported(unplaced.folder, out / "masks"), unplaced.masks)


def test_geotiff_masks_on_another_grid(placed, tmp_path):
    """One mask that covers more than its tile, brought onto it by its place."""
    folder = tmp_path / "tifs"
    folder.mkdir()
    for k, (name, ids) in enumerate(placed.masks.items()):
        wide = np.pad(ids, 5, constant_values=255)
        place = rasterio.Affine(0.5, 0, 300_000 + 20 * k - 2.5, 0, -0.5, 2_800_000 + 2.5)
        options = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": UTM, "transform": place}
        with rasterio.open(folder / f"{name}.tif", "w", height=wide.shape[0], width=wide.shape[1], **options) as file:
            file.write(wide, 1)
    assert_same(imported(placed.folder, folder), placed.masks)
