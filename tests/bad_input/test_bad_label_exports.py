"""Exports of labelling tools that are broken: one line each, and nothing changed on disk."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from tests.conftest import contents, error_line, write_image
from tests.data.labelling.conftest import UTM, LabelSet, label_set
from tests.data.labelling.tool_files import (
    areas,
    coco,
    cvat_files,
    label_studio,
    labelme,
    write_json,
    write_layer,
    zipped,
)  # fmt: skip
from tools import label

Masks = dict[str, np.ndarray]
SIZE = (24, 32)


@pytest.fixture(scope="module")
def unplaced(tmp_path_factory: pytest.TempPathFactory) -> LabelSet:
    return label_set(tmp_path_factory.mktemp("unplaced") / "set")


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> LabelSet:
    return label_set(tmp_path_factory.mktemp("placed") / "set", UTM)


def refused(capsys: pytest.CaptureFixture[str], of: LabelSet, source: Path, words: str, code: int = 1) -> None:
    """An import ends with one line that holds the words; the data set is as it was."""
    before = contents(of.folder)
    line = error_line(capsys, code, label.main, ["import", "--from", str(source), "--data-dir", str(of.folder)])
    assert words in line
    assert contents(of.folder) == before


def renamed(masks: Masks) -> Masks:
    return {f"{name}_edited": ids for name, ids in masks.items()}


def larger(masks: Masks) -> Masks:
    return {name: np.pad(ids, 3) for name, ids in masks.items()}


def cut(path: Path, share: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


# --- CVAT -------------------------------------------------------------------------------------------------------------

Files = dict[str, bytes]
PNG0 = "SegmentationClass/tile0.png"


def with_label_map(*lines: str) -> Callable[[Masks], Files]:
    return lambda masks: cvat_files(masks) | {"labelmap.txt": "\n".join(lines).encode()}


def without(files: Files, part: str) -> Files:
    return {name: content for name, content in files.items() if part not in name}


def cvat_twice(masks: Masks) -> Files:
    files = cvat_files(masks)
    return files | {"SegmentationClass/more/tile0.png": files[PNG0]}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (lambda masks: cvat_files(renamed(masks)), "none of its 3 images (tile0_edited.png, tile1"),
        (lambda masks: cvat_files(larger(masks)), "3 of 3 masks have another size than their tile: tile0 is"),
        (lambda masks: without(cvat_files(masks), "labelmap"), "lacks labelmap.txt"),
        (lambda masks: cvat_files(masks, ("field", "woods", "water")), "unknown class 'woods'"),
        (lambda masks: without(cvat_files(masks), "Segmentation"), "holds no mask in SegmentationClass"),
        (lambda masks: without(cvat_files(masks), "p"), "default.txt; expected CVAT's Segmentation mask 1.1"),
        (lambda masks: without(cvat_files(masks), "SegmentationClass"), "holds no mask in SegmentationClass"),
        (with_label_map("background:0,0,0::", "field:10,200,30::"), "which no label of labelmap.txt has"),
        (with_label_map("field=10,200,30"), "labelmap.txt, line 1: 'field=10,200,30', expected name:red,green,blue::"),
        (with_label_map("a:1,2,3::", "b:1,2,3::"), "labelmap.txt, line 2: a and b share a colour"),
        (with_label_map(""), "labelmap.txt names no label"),
        (cvat_twice, "are both of tile 'tile0'"),
        (lambda masks: cvat_files(masks) | {"../out.png": b""}, "'../out.png'"),
        (lambda masks: cvat_files(masks) | {PNG0: cvat_files(masks)[PNG0][:70]}, "tile0.png"),
        (lambda _: {}, "holds no files"),
        (lambda _: {"annotations.xml": b"<annotations/>"}, "holds annotations.xml; expected CVAT's"),
    ],
)
def test_zip_of_cvat(files, words, unplaced, tmp_path, capsys):
    refused(capsys, unplaced, zipped(tmp_path / "back.zip", files(unplaced.masks)), words)


def test_half_a_zip(unplaced, tmp_path, capsys):
    refused(capsys, unplaced, cut(zipped(tmp_path / "back.zip", cvat_files(unplaced.masks))), "is a damaged zip")


def test_zip_whose_content_is_damaged(unplaced, tmp_path, capsys):
    path = tmp_path / "back.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in cvat_files(unplaced.masks).items():
            archive.writestr(name, content)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 255
    path.write_bytes(content)
    refused(capsys, unplaced, path, "cannot be unpacked (Bad CRC-32")


# --- COCO -------------------------------------------------------------------------------------------------------------


def of_coco(change: Callable[[Any], object], kind: str = "rle") -> Callable[[Masks], object]:
    """A COCO file whose first annotation, image and category, as `a`, `i`, `c`, are changed."""

    def make(masks: Masks) -> object:
        raw = coco(masks, kind)
        change(raw)
        return raw

    return make


def annotated(key: str, value: object) -> Callable[[Any], object]:
    return lambda raw: raw["annotations"][0].update({key: value})


def counted(counts: object) -> Callable[[Any], object]:
    return annotated("segmentation", {"size": list(SIZE), "counts": counts})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda masks: coco(renamed(masks)), "none of its 3 images (images/tile0_edited.png"),
        (lambda masks: coco(larger(masks)), "3 of 3 masks have another size than their tile: tile0 is"),
        (lambda masks: coco(masks, names=("field", "woods", "water")), "unknown class 'woods'"),
        (of_coco(counted([5, 5])), "annotation 1: its mask has a wrong length: 10 pixels, expected 768 for 24×32"),
        (of_coco(counted([800, -32])), "annotation 1: its mask holds no lengths of runs"),
        (of_coco(counted("0 0")), "annotation 1: its mask is no packed text of COCO"),
        (of_coco(annotated("segmentation", {"size": [9, 9], "counts": [81]})), "its mask is of size [9, 9], the image"),
        (of_coco(annotated("segmentation", [[1, 1, 5, 1, 5]])), "annotation 1: expected polygons as lists of x, y"),
        (of_coco(annotated("segmentation", [[1, 1, 5, 1]])), "shape 1 is no polygon of three points or more"),
        (of_coco(annotated("segmentation", [[0, 0, 9, 9, 9, 0, 0, 5]])), "what area is meant is open"),
        (of_coco(annotated("image_id", 77)), "annotation 1 is of image 77, which the file does not list"),
        (of_coco(annotated("category_id", 77)), "annotation 1 is of category 77, which the file does not list"),
        (of_coco(annotated("category_id", "field")), "annotation 1: `category_id` is 'field', expected a whole number"),
        (of_coco(lambda raw: raw["images"][0].pop("file_name")), "images: `file_name` is missing, expected text"),
        (of_coco(lambda raw: raw["images"][0].update(height=24.5)), "`height` is 24.5, expected a whole number"),
        (of_coco(lambda raw: raw.pop("categories")), "`categories` is missing, expected a list"),
        (of_coco(lambda raw: raw["images"][1].update(id=1)), "two images have the id 1"),
        (of_coco(lambda raw: raw["categories"][1].update(id=1)), "two categories have the id 1"),
        (of_coco(lambda raw: raw["annotations"].append(None)), "annotation ?: `image_id` is missing"),
        (lambda masks: {"_via_img_metadata": {}, "_via_settings": {}}, "is JSON of no tool that is read (an object"),
        (lambda masks: [1, 2], "is JSON of no tool that is read (list)"),
    ],
)
def test_coco(make, words, unplaced, tmp_path, capsys):
    refused(capsys, unplaced, write_json(tmp_path / "coco.json", make(unplaced.masks)), words)


def test_half_a_json(unplaced, tmp_path, capsys):
    refused(capsys, unplaced, cut(write_json(tmp_path / "a.json", coco(unplaced.masks))), "a.json, line 1: not JSON")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; expected CVAT's"),
        (b"<xml/>", "is XML; expected CVAT's"),
        (b"\x00\x01\x02", "is of no such kind; expected CVAT's"),
        (b"[" * 100_000, "nested too deeply"),
        ('{"images": ["\xe4"]}'.encode("latin-1"), "is not UTF-8 text"),
    ],
)
def test_file_of_no_tool(content, words, unplaced, tmp_path, capsys):
    (tmp_path / "back").write_bytes(content)
    refused(capsys, unplaced, tmp_path / "back", words)


# --- Label Studio -----------------------------------------------------------------------------------------------------


def of_tasks(change: Callable[[Any], object], kind: str = "brush") -> Callable[[Masks], object]:
    def make(masks: Masks) -> object:
        raw = label_studio(masks, kind)
        change(raw)
        return raw

    return make


def region(change: Callable[[Any], object], kind: str = "brush") -> Callable[[Masks], object]:
    return of_tasks(lambda raw: change(raw[0]["annotations"][0]["result"][0]), kind)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda masks: label_studio(renamed(masks)), "none of its 3 images"),
        (lambda masks: label_studio(larger(masks)), "3 of 3 masks have another size than their tile: tile0 is"),
        (lambda masks: label_studio(masks, names=("field", "woods", "water")), "unknown class 'woods'"),
        (region(lambda r: r["value"]["rle"].__setitem__(3, 9)), "its brush has a wrong length"),
        (region(lambda r: r["value"].update(rle=r["value"]["rle"][:90])), "its brush ends before its last pixel"),
        (region(lambda r: r["value"].update(rle="abc")), "its brush is no list of bytes"),
        (region(lambda r: r["value"].update(brushlabels=["field", "water"])), "has the labels ['field', 'water']"),
        (region(lambda r: r.pop("value")), "task 1: `value` is missing, expected what was drawn"),
        (region(lambda r: r.pop("original_width")), "task 1: `original_width` is missing"),
        (region(lambda r: r.update(original_width=33)), "its regions are of images of 2 different sizes"),
        (region(lambda r: r.update(image_rotation=90)), "the image was turned by 90°"),
        (region(lambda r: r["value"].update(points=[[1, 1], [2, 2]]), "polygons"), "is no polygon of three points"),
        (region(lambda r: r["value"].update(points=[["a", 1]]), "polygons"), "is no polygon of three points"),
        (of_tasks(lambda raw: [t.pop("annotations") for t in raw]), "holds tasks without annotations"),
        (of_tasks(lambda raw: raw[1].pop("annotations")), "task 2: `annotations` is missing"),
        (of_tasks(lambda raw: raw[0].update(data={})), "task 1 has no image"),
        (lambda masks: [{"id": 1, "image": "tile0.png", "annotation_id": 3, "tag": []}], "is Label Studio's JSON-MIN"),
        (of_tasks(lambda raw: raw.append(raw[0])), "are both of tile 'tile0'"),
    ],
)
def test_label_studio(make, words, unplaced, tmp_path, capsys):
    refused(capsys, unplaced, write_json(tmp_path / "export.json", make(unplaced.masks)), words)


# --- LabelMe ----------------------------------------------------------------------------------------------------------


def shape(**changes: object) -> Callable[[Any], object]:
    return lambda raw: raw["shapes"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.update(imageHeight=25), "1 of 1 masks have another size than their tile: tile0 is"),
        (lambda raw: raw.pop("imageWidth"), "`imageWidth` is missing, expected a whole number"),
        (lambda raw: raw.update(shapes={}), "`shapes` is '{}', expected a list"),
        (shape(label="woods"), "unknown class 'woods'"),
        (shape(label=None), "`label` is missing, expected text"),
        (shape(points=[[1, 1], [2, 2]]), "shape 1 is no polygon of three points or more"),
        (shape(points=[[1, 1], [2, 2], [float("nan"), 3]]), "shape 1 is no polygon of three points or more"),
        (shape(points=[[0, 0], [9, 9], [9, 0], [0, 5]]), "what area is meant is open"),
        (shape(shape_type="circle"), "shape 1, a circle, has other than two points"),
        (shape(shape_type="mask", points=[[1, 1], [3, 3]], mask="AAAA"), "shape 1 is a mask that is damaged"),
        (shape(shape_type="mask", points=[[1, 1], [3, 3]], mask=None), "shape 1 is a mask that is damaged"),
    ],
)
def test_labelme(change, words, unplaced, tmp_path, capsys):
    raw = labelme("tile0", unplaced.masks["tile0"])
    change(raw)
    refused(capsys, unplaced, write_json(tmp_path / "tile0.json", raw), words)


def test_labelme_of_another_set(unplaced, tmp_path, capsys):
    raw = labelme("beach", unplaced.masks["tile0"])
    refused(capsys, unplaced, write_json(tmp_path / "beach.json", raw), "none of its 1 images (beach) is a tile")


def test_folder_of_json_files_of_several_tools_or_with_a_tile_twice(unplaced, tmp_path, capsys):
    raw = labelme("tile0", unplaced.masks["tile0"])
    write_json(tmp_path / "tile0.json", raw)
    write_json(tmp_path / "copy.json", raw)
    refused(capsys, unplaced, tmp_path, "are both of tile 'tile0'")
    write_json(tmp_path / "copy.json", coco(unplaced.masks))
    refused(capsys, unplaced, tmp_path, "holds 2 JSON files, and copy.json is not LabelMe's")
    write_json(tmp_path / "copy.json", {"nothing": 1})
    refused(capsys, unplaced, tmp_path, "is JSON of no tool that is read (an object with the keys nothing)")


# --- Polygons ---------------------------------------------------------------------------------------------------------

BOX = shapely.box(300_001, 2_799_990, 300_009, 2_799_999)
BOW = shapely.Polygon([(300_001, 2_799_991), (300_009, 2_799_999), (300_009, 2_799_991), (300_001, 2_799_997)])


@pytest.mark.parametrize(
    ("geometries", "labels", "crs", "words"),
    [
        ([BOX], ["woods"], UTM, "unknown class 'woods'"),
        ([BOX], [None], UTM, "field class"),
        ([shapely.box(0, 0, 9, 9)], ["field"], UTM, "none of its 1 polygons touches an image"),
        ([BOX], ["field"], "EPSG:32652", "none of its 1 polygons touches an image"),
        ([BOX], ["field"], None, "has no CRS"),
        ([BOW], ["field"], UTM, "what area is meant is open"),
        ([None], ["field"], UTM, "has no geometry in any of its 1 features"),
        ([], [], UTM, "holds no features; draw polygons"),
    ],
)
def test_polygons(geometries, labels, crs, words, placed, tmp_path, capsys):
    path = write_layer(tmp_path / "drawn.gpkg", geometries, labels, crs)
    refused(capsys, placed, path, words)


@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".shp"])
def test_damaged_vector_file(ending, placed, tmp_path, capsys):
    path = cut(write_layer(tmp_path / f"drawn{ending}", [BOX], ["field"], UTM), 0.3)
    refused(capsys, placed, path, f"drawn{ending}")


def test_lines_instead_of_polygons(placed, tmp_path, capsys):
    path = write_layer(tmp_path / "drawn.gpkg", [BOX.exterior], ["field"], UTM, geometry_type="LineString")
    refused(capsys, placed, path, "with LineString for a geometry; labels are polygons")


def test_fields_and_layers_that_leave_a_choice(placed, tmp_path, capsys):
    path = write_layer(tmp_path / "a.gpkg", [BOX], ["field"], UTM, field="kind")
    write_layer(path, [BOX], ["field"], UTM, layer="second", append=True, driver="GPKG", field="kind")
    refused(capsys, placed, path, "choose one with --label-layer", 2)
    write_layer(tmp_path / "b.gpkg", [BOX], ["field"], UTM)
    refused(capsys, placed, tmp_path, "holds 2 vector files (a.gpkg, b.gpkg); give one of them")


def test_polygons_on_tiles_without_a_place(unplaced, tmp_path, capsys):
    path = write_layer(
        tmp_path / "drawn.gpkg", *areas(unplaced.masks, dict.fromkeys(unplaced.masks, (1, 0, 0, 0, -1, 0))), UTM
    )
    refused(capsys, unplaced, path, "none of the 3 tiles has a place")


# --- Folders of masks -------------------------------------------------------------------------------------------------

FIELD = np.zeros(SIZE, np.uint8)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"beach.png": FIELD}, "none of its 1 images (beach.png) is a tile"),
        ({"tile0.png": np.zeros((25, 32), np.uint8)}, "1 of 1 masks have another size than their tile: tile0 is"),
        ({"tile0.png": np.full(SIZE, 77, np.uint8)}, "77"),
        ({"tile0.png": np.full((*SIZE, 3), 77, np.uint8)}, "#4D4D4D"),
        ({"tile0.png": np.full(SIZE, 777, np.uint16)}, "777"),
        ({"tile0.png": b""}, "tile0.png"),
        ({"tile0.png": b"<html/>"}, "tile0.png"),
        (
            {"tile0.png": np.zeros(SIZE, np.uint8), "more/tile0.png": np.zeros(SIZE, np.uint8)},
            "are both of tile 'tile0'",
        ),
        ({}, "holds no files; expected"),
        ({"notes.txt": b"water is 3"}, "holds notes.txt; expected"),
    ],
)
def test_folder_of_masks(files, words, unplaced, tmp_path, capsys):
    for name, content in files.items():
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
        else:
            write_image(tmp_path / name, content)
    refused(capsys, unplaced, tmp_path, words)


def test_half_a_mask(unplaced, tmp_path, capsys):
    refused(capsys, unplaced, cut(write_image(tmp_path / "tile0.png", unplaced.masks["tile0"])), "tile0.png")


def test_source_that_is_not_there(unplaced, tmp_path, capsys):
    refused(capsys, unplaced, tmp_path / "nothing.zip", "--from", 2)


# --- The data set -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("asked.csv", "name\ntile0\n", "asked.csv, line 1: no column round, tool, draft, time"),
        ("asked.csv", "round,name,tool,draft,time\nx,tile0,cvat,no,\n", "asked.csv, line 2: round is 'x'"),
        ("ledger.csv", "round,name,kind,source,draft,minutes,time\n1,tile0,mask,cvat,maybe,,\n", "draft is 'maybe'"),
        ("ledger.csv", "round,name,kind,source,draft,minutes,time\n1,tile0\n", "line 2: expected 7 columns, found 2"),
        ("ledger.csv", "round,name,kind,source,draft,minutes,time\n1,a,mask,cvat,no,-3,\n", "minutes is '-3'"),
        ("ledger.csv", "\xe4", "ledger.csv is not UTF-8 text"),
    ],
)
def test_damaged_tables_beside_the_set(name, text, words, tmp_path, capsys):
    of = label_set(tmp_path / "set")
    (of.folder / name).write_bytes(text.encode("latin-1"))
    refused(capsys, of, zipped(tmp_path / "back.zip", cvat_files(of.masks)), words)


def test_masks_that_would_lose_pixels(tmp_path, capsys):
    of = label_set(tmp_path / "set", masks="masks/{name}.jpg")
    refused(capsys, of, zipped(tmp_path / "back.zip", cvat_files(of.masks)), "masks of this data set end in .jpg")


def test_unreadable_description(tmp_path, capsys):
    of = label_set(tmp_path / "set")
    (of.folder / "dataset.json").write_text(json.dumps([]))
    refused(capsys, of, zipped(tmp_path / "back.zip", cvat_files(of.masks)), "dataset.json")
