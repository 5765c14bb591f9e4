"""There and back: what is exported, filled in as each tool would write it, and imported."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from PIL import Image

from data.descriptions import DEEPGLOBE, UCM
from data.labelling.ledger import read_ledger
from data.labelling.settings import LabelSetSettings
from data.labelling.tiles import LabelTiles
from data.lists.evaluation_tiles import EvaluationTiles
from data.rasters.crs import crs_way
from data.settings import DataSettings
from model.trained import Trained
from tests.conftest import PALETTE, write_deepglobe, write_image, write_list, write_ucm
from tests.data.labelling.conftest import UTM, LabelSet, label_set
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
from tools import label
from utils.evaluation.settings import WindowSettings


def run(*words: object) -> int:
    return label.main([str(word) for word in words])


def imported(folder: Path, source: Path, *words: object, dataset: str = "custom") -> dict[str, np.ndarray]:
    """Ids by tile after an import."""
    assert run("import", "--dataset", dataset, "--from", source, "--data-dir", folder, *words) == 0
    reader = LabelTiles.open(LabelSetSettings(folder, dataset)).reader
    names = sorted(LabelTiles(reader).names)
    return {name: reader.mask_as_filed(name) for name in names if reader.has_mask(name)}


def assert_same(found: dict[str, np.ndarray], true: dict[str, np.ndarray]) -> None:
    assert sorted(found) == sorted(true)
    for name, ids in true.items():
        np.testing.assert_array_equal(found[name], ids)


def exported(of: LabelSet, to: str, *words: object) -> Path:
    out = of.folder.parent / f"for_{to}"
    assert run("export", "--names", of.names, "--data-dir", of.folder, "--to", to, "--out", out, *words) == 0
    return out


# --- Each tool --------------------------------------------------------------------------------------------------------


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


# --- Each data set ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "description",
    [
        {"palette": PALETTE},
        {"palette": PALETTE, "ignore_colours": ["#FFFFFF"], "masks": "labels/{name}_m.png"},
        {"version": 2, "codes": {"field": [10], "forest": [20, 21], "water": [300]}, "ignore_codes": [0]},
        {"version": 2, "codes": {"field": [1], "forest": [2], "water": [255]}},
        {"masks": "masks/{name}.tif"},
        {"classes": ["Background", "forest", "water"]},
    ],
)
def test_masks_are_written_as_the_data_set_has_them(tmp_path, description):
    of = label_set(tmp_path / "set", **description)
    names = ("Background class" if "classes" in description else "field", "forest", "water")
    exported(of, "cvat")
    source = zipped(tmp_path / "back.zip", cvat_files(of.masks, names))
    assert_same(imported(of.folder, source), of.masks)


def test_deepglobe_and_ucm(tmp_path):
    """Masks of the built-in sets, at the size of each file."""
    deepglobe = write_deepglobe(tmp_path / "deepglobe", 2)
    ucm = write_ucm(tmp_path / "ucm", ("forest",), 2, (250, 256))
    for tiny, description, size in ((deepglobe, DEEPGLOBE, (64, 64)), (ucm, UCM, (250, 256))):
        masks = {name: np.full(size, 255, np.uint8) for name in tiny.names}
        for ids in masks.values():
            ids[: size[0] // 2] = 3
        out = tmp_path / f"for_{tiny.dataset}"
        words = ["--dataset", tiny.dataset, "--data-dir", tiny.folder, "--names", tiny.list_path]
        assert run("export", *words, "--to", "folder", "--out", out) == 0
        line = next(line for line in (out / "classes.csv").read_text().splitlines() if line.startswith("3,"))
        table = [(0, 0, 0)] * 3 + [tuple(int(line[-6:][k : k + 2], 16) for k in (0, 2, 4))]
        for name, ids in masks.items():
            write_image(out / "masks" / f"{name}.png", coloured(ids, table))
        found = imported(tiny.folder, out / "masks", "--replace", dataset=tiny.dataset)
        assert_same(found, masks)
        assert description.num_classes > 3


# --- What is kept, missing, counted -----------------------------------------------------------------------------------


def test_report_of_what_came_and_what_is_missing(unplaced, tmp_path, capsys):
    write_list(unplaced.names, ["tile0", "tile1"])
    exported(unplaced, "cvat")
    masks = {"tile0": np.full((24, 32), 255, np.uint8), "tile2": unplaced.masks["tile2"]}
    masks["elsewhere"] = unplaced.masks["tile1"]
    capsys.readouterr()
    source = zipped(tmp_path / "back.zip", cvat_files(masks))
    assert run("import", "--from", source, "--data-dir", unplaced.folder) == 4
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["masks"].startswith("1 from cvat")
    assert lines["empty"].startswith("1 (tile0)")
    assert lines["unasked"].startswith("1 (tile2)")
    assert lines["unknown"].startswith("1 (elsewhere.png)")
    assert lines["missing"].startswith("2 (tile0, tile1)")
    assert not (unplaced.folder / "masks" / "tile0.png").exists()


def test_masks_that_are_there_are_kept_unless_replaced(unplaced, tmp_path, capsys):
    source = zipped(tmp_path / "one.zip", cvat_files(unplaced.masks))
    other = {name: np.zeros((24, 32), np.uint8) for name in unplaced.masks}
    imported(unplaced.folder, source)
    capsys.readouterr()
    again = zipped(tmp_path / "two.zip", cvat_files(other))
    assert_same(imported(unplaced.folder, again), unplaced.masks)
    assert "kept    3 (tile0, tile1, tile2)" in capsys.readouterr().out
    assert len(read_ledger(unplaced.folder)) == 3
    assert_same(imported(unplaced.folder, again, "--replace"), other)


def test_minutes_of_a_tool_are_counted_once_and_given_ones_are_shared_out(unplaced, tmp_path):
    for seconds in (60, 150):
        source = write_json(tmp_path / "export.json", label_studio(unplaced.masks, seconds=seconds))
        imported(unplaced.folder, source, "--replace")
    imported(unplaced.folder, zipped(tmp_path / "c.zip", cvat_files(unplaced.masks)), "--replace", "--minutes", 6)
    rows = [row for row in read_ledger(unplaced.folder) if row.name == "tile1"]
    assert [(row.source, row.minutes) for row in rows] == [("label-studio", 1), ("label-studio", 1.5), ("cvat", 2)]


def test_status(unplaced, tmp_path, capsys):
    exported(unplaced, "label-studio")
    masks = {name: unplaced.masks[name] for name in ("tile0", "tile2")}
    imported(unplaced.folder, write_json(tmp_path / "export.json", label_studio(masks, seconds=120)))
    capsys.readouterr()
    assert run("status", "--data-dir", unplaced.folder) == 0
    out = capsys.readouterr().out
    assert "chosen  3 tiles in 1 round: 2 with masks, 1 without" in out
    assert "missing tile1" in out
    assert "minutes 4.0 for 2 masks whose time is known, 2.0 each" in out
    assert "ahead   about 2 minutes for the other 1" in out
    share = np.mean([(ids == 1).sum() / (ids != 255).sum() for ids in masks.values()])
    assert f"forest {share:.1%}" in out


def test_tiles_of_a_second_export_are_of_the_second_round(unplaced, tmp_path):
    write_list(unplaced.names, ["tile0"])
    exported(unplaced, "cvat")
    write_list(unplaced.names, ["tile0", "tile1"])
    exported(unplaced, "folder")
    imported(unplaced.folder, zipped(tmp_path / "back.zip", cvat_files(unplaced.masks)))
    assert {row.name: row.round for row in read_ledger(unplaced.folder)} == {"tile0": 1, "tile1": 2, "tile2": 0}


def test_failure_while_masks_are_put_in_place_brings_back_the_ones_before(unplaced, tmp_path, monkeypatch):
    imported(unplaced.folder, zipped(tmp_path / "one.zip", cvat_files(unplaced.masks)))
    before = {path: path.read_bytes() for path in unplaced.folder.rglob("*") if path.is_file()}
    other = {name: np.zeros((24, 32), np.uint8) for name in unplaced.masks}
    source, rename, count = zipped(tmp_path / "two.zip", cvat_files(other)), Path.rename, 0

    def failing(self, target):
        nonlocal count
        count += 1
        if count == 4:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    assert run("import", "--from", source, "--data-dir", unplaced.folder, "--replace") == 1
    assert {path: path.read_bytes() for path in unplaced.folder.rglob("*") if path.is_file()} == before


# --- Drafts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["cvat", "label-studio", "qgis", "folder"])
def test_draft_comes_back_as_it_went(unplaced, checkpoints, tmp_path, to, capsys):
    """What people are given is, without a change, the model's map."""
    (unplaced.folder / "test.txt").write_text("tile2\n")
    out = exported(unplaced, to, "--checkpoint-dir", checkpoints, "--device", "cpu", "--precision", "fp32")
    assert "none for 1 (tile2)" in capsys.readouterr().out
    source = {"cvat": out / "draft.zip", "qgis": out, "folder": out, "label-studio": tmp_path / "export.json"}[to]
    if to == "label-studio":
        tasks = json.loads((out / "tasks.json").read_text())
        for task in tasks:
            task["annotations"] = [{"result": p["result"], "lead_time": 1} for p in task.pop("predictions", [])]
        write_json(source, tasks)
    found = imported(unplaced.folder, source)
    network = Trained.open(checkpoints, device="cpu", precision="fp32")
    tiles, windows = LabelTiles.open(LabelSetSettings(unplaced.folder)), WindowSettings((24, 32))
    assert_same(found, {name: network.predict(tiles.picture(name), windows) for name in ("tile0", "tile1")})
    assert {(row.name, row.draft) for row in read_ledger(unplaced.folder)} == {("tile0", True), ("tile1", True)}


def test_drafts_in_lists_that_are_scored_are_said(unplaced, checkpoints, capsys):
    """Asked for, or because the list came later: the import and each evaluation say so."""
    (unplaced.folder / "test.txt").write_text("tile2\n")
    out = exported(unplaced, "folder", "--checkpoint-dir", checkpoints, "--device", "cpu", "--draft-scored")
    imported(unplaced.folder, out)
    assert "scored  1 (tile2): of these are in test.txt or val.txt" in capsys.readouterr().out
    data = DataSettings("custom", unplaced.folder, unplaced.folder / "test.txt", no_cache=True)
    assert EvaluationTiles.open(data, input_size=(32, 32)).drafted == ["tile2"]


def test_draft_zip_is_what_cvat_uploads(unplaced, checkpoints):
    out = exported(unplaced, "cvat", "--checkpoint-dir", checkpoints, "--device", "cpu")
    with zipfile.ZipFile(out / "draft.zip") as archive:
        assert set(archive.namelist()) == {
            "labelmap.txt", "ImageSets/Segmentation/default.txt", *(f"SegmentationClass/tile{k}.png" for k in range(3)),
        }  # fmt: skip
        assert archive.read("ImageSets/Segmentation/default.txt").split() == [b"tile0", b"tile1", b"tile2"]


def test_page_of_instructions_names_classes_keys_and_the_command(unplaced):
    out = exported(unplaced, "label-studio")
    text = (out / "instructions.html").read_text()
    for words in ("forest", "LOCAL_FILES_DOCUMENT_ROOT", "label.py import --from", "label.py status"):
        assert words in text
    assert text.count(f"--data-dir {unplaced.folder}") == 2
    assert "http" not in text.replace("http-equiv", "")
