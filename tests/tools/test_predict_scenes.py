"""Maps of scenes with a place: on the scene's grid, in its CRS, with what GIS programs read of them."""

import csv
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import torch
from rasterio.enums import ColorInterp
from rasterio.transform import Affine
from torch import nn

from data.maps.images import MapImage, WholeImage
from model.mapping import Mapper
from model.networks.deeplabv2 import DeepLabV2
from model.trained import Trained
from tests.conftest import CUSTOM, error_line, picture, write_custom, write_image
from tests.data.rasters.scene_files import AT, UTM, write_mosaic, write_raster
from tests.tools.test_predict import CLASSES, COLOURS, direct, predicted, read_ids, write_run
from tests.tools.test_predict import network as network
from tests.tools.test_predict import run_folder as run_folder
from tests.utils.compute.test_distributed import in_processes
from tools import predict
from utils.digests import digest_of
from utils.evaluation.settings import WindowSettings

NODATA = 255


def write_scene(path: Path, seed: int = 0, size: tuple[int, int] = (60, 90), **options: object) -> np.ndarray:
    """Write an RGB scene, and return its pixels, uint8 (H, W, 3), none of them 0."""
    pixels = np.maximum(picture(seed, size), 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_raster(path, pixels.transpose(2, 0, 1), **({"colours": "red green blue"} | options))
    return pixels


def moved(columns: int) -> Affine:
    """The place of a scene so many columns to the east."""
    return Affine(AT.a, 0, AT.c + columns * AT.a, 0, AT.e, AT.f)


def with_corner(pixels: np.ndarray) -> np.ndarray:
    """Pixels whose upper left is 0."""
    pixels = pixels.copy()
    pixels[:20, :30] = 0
    return pixels


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_a_map_lies_on_its_scene_with_colours_and_names(tmp_path: Path, run_folder: Path, network: DeepLabV2):
    pixels = write_scene(tmp_path / "scenes/a.tif")
    maps = predicted(tmp_path, "--images", tmp_path / "scenes", "--input-size", "90,90")
    with rasterio.open(maps / "ids/a.tif") as file:
        assert (file.crs, file.transform, file.shape) == (rasterio.crs.CRS.from_string(UTM), AT, (60, 90))
        assert (file.nodata, file.dtypes, file.colorinterp) == (NODATA, ("uint8",), (ColorInterp.palette,))
        assert [file.colormap(1)[index][:3] for index in range(3)] == COLOURS
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        ids = file.read(1)
    np.testing.assert_array_equal(ids, direct(network, pixels).argmax(axis=0))
    assert {path.name for path in (maps / "ids").iterdir()} == {"a.tif", "a.tif.aux.xml", "a.qml"}
    assert not (maps / "colour").exists()
    lines = rows_of(maps / "class_areas.csv")
    assert [line["class"] for line in lines] == CLASSES * 2
    for index, line in enumerate(lines[:3]):
        pixels_of_class = int((ids == index).sum())
        assert int(line["pixels"]) == pixels_of_class
        assert float(line["hectares"]) == pytest.approx(pixels_of_class * 0.3**2 / 10_000, rel=1e-3)


def test_pixels_without_data_have_no_class_and_are_not_counted(tmp_path: Path, run_folder: Path):
    pixels = with_corner(write_scene(tmp_path / "scenes/a.tif"))
    write_raster(tmp_path / "scenes/a.tif", pixels.transpose(2, 0, 1), colours="red green blue", nodata=0)
    maps = predicted(tmp_path, "--images", tmp_path / "scenes", "--confidence", "--probabilities")
    for kind, bands in (("ids", 1), ("confidence", 1), ("probabilities", 3)):
        with rasterio.open(maps / kind / "a.tif") as file:
            values = file.read()
        assert values.shape == (bands, 60, 90)
        np.testing.assert_array_equal(values == NODATA, np.broadcast_to((pixels == 0).all(axis=2), values.shape))
    lines = rows_of(maps / "class_areas.csv")[:3]
    assert sum(int(line["pixels"]) for line in lines) == 60 * 90 - 20 * 30
    assert sum(float(line["share"]) for line in lines) == pytest.approx(1, abs=1e-5)


def test_confidence_and_probabilities_are_those_of_the_network_at_its_temperature(
    tmp_path: Path, run_folder: Path, network: DeepLabV2, capsys: pytest.CaptureFixture[str]
):
    pixels = write_scene(tmp_path / "a.tif")
    write_image(tmp_path / "b.png", pixels)
    checkpoint = run_folder / "checkpoint400.pth"
    kept = {"version": 1, "temperature": 2.0, "checkpoint": checkpoint.name, "checkpoint_sha256": digest_of(checkpoint)}
    (run_folder / "calibration.json").write_text(json.dumps(kept))
    options = ["--images", tmp_path / "a.tif", tmp_path / "b.png", "--confidence", "--probabilities"]
    maps = predicted(tmp_path, *options, "--input-size", "90,90")
    softened = np.sqrt(direct(network, pixels))
    softened /= softened.sum(axis=0)
    with rasterio.open(maps / "probabilities/a.tif") as file:
        assert file.descriptions == tuple(CLASSES)
        of_scene = file.read()
    with rasterio.open(maps / "probabilities/b.tif") as file:
        assert file.crs is None
        np.testing.assert_array_equal(file.read(), of_scene)
    np.testing.assert_allclose(of_scene, softened * 100, atol=0.51)
    with rasterio.open(maps / "confidence/a.tif") as file:
        np.testing.assert_array_equal(file.read(1), read_ids(maps / "confidence/b.png"))
        np.testing.assert_array_equal(file.read(1), of_scene.max(axis=0))
    assert "confidence at temperature 2.00" in capsys.readouterr().out
    assert json.loads((maps / "prediction.json").read_text())["temperature"] == 2.0


def test_polygons_of_all_scenes_agree_with_the_maps(tmp_path: Path, run_folder: Path):
    write_scene(tmp_path / "scenes/a.tif")
    write_scene(tmp_path / "scenes/b.tif", seed=1, transform=moved(100))
    file = tmp_path / "all.gpkg"
    maps = predicted(tmp_path, "--images", tmp_path / "scenes", "--polygons", file)
    meta, _, _, columns = pyogrio.raw.read(file)
    fields = dict(zip(meta["fields"].tolist(), columns, strict=True))
    for line in rows_of(maps / "class_areas.csv")[:6]:
        own = (fields["scene"] == line["scene"]) & (fields["class"] == line["class"])
        assert fields["area_m2"][own].sum() == pytest.approx(float(line["square_metres"]), abs=0.01)
    assert file.with_suffix(".qml").is_file()


def test_polygons_are_not_written_over_nor_of_images_without_a_place(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
):
    write_scene(tmp_path / "a.tif")
    write_image(tmp_path / "b.png", picture(0, (20, 20)))
    argv = ["--checkpoint-dir", run_folder, "--save-dir", tmp_path / "maps", "--polygons", tmp_path / "all.gpkg"]
    line = error_line(capsys, 2, predict.main, [*map(str, argv), "--images", *map(str, tmp_path.glob("[ab].*"))])
    assert "b.png has no place, so that its polygons have none; leave out the image, or --polygons" in line
    (tmp_path / "all.gpkg").write_text("mine")
    line = error_line(capsys, 2, predict.main, [*map(str, argv), "--images", str(tmp_path / "a.tif")])
    assert "all.gpkg is there; give another name, or --overwrite" in line
    assert (tmp_path / "all.gpkg").read_text() == "mine"
    assert not (tmp_path / "maps").exists()


def test_areas_are_adjusted_by_the_accuracy_of_an_evaluation(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
):
    write_scene(tmp_path / "a.tif")
    counts = np.diag([60, 60, 60]) + 10
    of_unit = " ".join(f"{true}>{mapped}:{counts[true, mapped]}" for true in range(3) for mapped in range(3))
    confusion = {
        "list": "test.txt", "optimistic": False, "classes": CLASSES, "counts": (counts * 60).tolist(), "unit": "tiles",
        "units": 60, "units_with_truth": [60] * 3, "units_with_map": [60] * 3, "of_units": [of_unit] * 60,
    }  # fmt: skip
    (tmp_path / "summary.json").write_text(json.dumps({"confusion": confusion}))
    options = ["--accuracy", tmp_path / "summary.json"]
    maps = predicted(tmp_path, "--images", tmp_path / "a.tif", *options)
    lines = rows_of(maps / "class_areas.csv")
    mapped = np.array([float(line["hectares"]) for line in lines[:3]])
    expected = (counts / counts.sum(axis=0)) @ mapped
    found = [[float(line[key]) for key in ("adjusted_hectares", "adjusted_low", "adjusted_high")] for line in lines[:3]]
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 3, axis=1), rtol=1e-4)  # all tiles are alike
    write_image(tmp_path / "b.png", picture(0, (20, 20)))
    argv = ["--checkpoint-dir", run_folder, "--save-dir", tmp_path / "more", "--images", tmp_path / "b.png", *options]
    assert "--accuracy adjusts areas, and no image has a place" in error_line(
        capsys, 2, predict.main, list(map(str, argv))
    )


def write_area(path: Path) -> None:
    """A polygon over rows 5 to 44 and columns 10 to 49 of a scene at `AT`."""
    shape = shapely.box(AT.c + 10 * AT.a, AT.f + 45 * AT.e, AT.c + 50 * AT.a, AT.f + 5 * AT.e)
    pyogrio.raw.write(path, shapely.to_wkb(np.array([shape])), [], [], driver="GPKG", geometry_type="Polygon", crs=UTM)


def test_nothing_is_mapped_outside_the_area_of_interest(tmp_path: Path, run_folder: Path):
    write_scene(tmp_path / "a.tif")
    write_area(tmp_path / "aoi.gpkg")
    options = ["--images", tmp_path / "a.tif", "--input-size", "32,32"]
    maps = predicted(tmp_path, *options, "--aoi", tmp_path / "aoi.gpkg")
    whole = predicted(tmp_path, *options, out="whole")
    with rasterio.open(maps / "ids/a.tif") as file, rasterio.open(whole / "ids/a.tif") as other:
        ids, expected = file.read(1), other.read(1)
    inside = np.zeros((60, 90), bool)
    inside[5:45, 10:50] = True
    np.testing.assert_array_equal(ids, np.where(inside, expected, NODATA))


def test_a_mosaic_is_mapped_as_one_scene(tmp_path: Path, run_folder: Path):
    write_scene(tmp_path / "a.tif")
    write_scene(tmp_path / "b.tif", seed=1, transform=moved(90))
    write_mosaic(tmp_path / "town.vrt", {"a.tif": 0, "b.tif": 90}, (60, 90), (60, 180))
    maps = predicted(tmp_path, "--images", tmp_path / "town.vrt", "--input-size", "64,64")
    with rasterio.open(maps / "ids/town.tif") as file:
        assert (file.shape, file.transform) == ((60, 180), AT)
        assert (file.read(1) != NODATA).all()


def test_a_scene_of_another_scale_is_refused_resampled_or_accepted(
    tmp_path: Path, network: DeepLabV2, capsys: pytest.CaptureFixture[str]
):
    bands = {"bands": [{"index": i, "name": n} for i, n in enumerate(("red", "green", "blue"), 1)]}
    write_run(tmp_path / "checkpoint", network, version=2, **bands, metres_per_pixel=0.6)
    write_scene(tmp_path / "a.tif")
    predicted(tmp_path, "--images", tmp_path / "a.tif", code=1)
    assert "has 0.3 m per pixel, the run 0.6" in capsys.readouterr().err
    maps = predicted(tmp_path, "--images", tmp_path / "a.tif", "--other-scale", "resample")
    with rasterio.open(maps / "ids/a.tif") as file:
        ids = file.read(1)
        assert (file.shape, file.transform) == ((60, 90), AT)
    np.testing.assert_array_equal(ids[::2], ids[1::2])  # seen at 0.6 m
    np.testing.assert_array_equal(ids[:, ::2], ids[:, 1::2])


def test_a_scene_that_breaks_off_is_named_and_the_others_are_done(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
):
    for name in ("a", "b", "c"):
        write_scene(tmp_path / f"scenes/{name}.tif", size=(200, 90), compress="deflate", blockysize=16)
    path = tmp_path / "scenes/b.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    maps = predicted(tmp_path, "--images", tmp_path / "scenes", "--input-size", "48,48", code=4)
    assert {file.name for file in (maps / "ids").glob("*.tif")} == {"a.tif", "c.tif"}
    assert "skipped 1 images: b" in capsys.readouterr().err
    assert not [path for path in maps.rglob(".*") if path.name.endswith(".part")]


def test_ground_control_points_stay_in_the_map_and_polygons_are_refused(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
):
    corners = [(0, 0), (0, 90), (60, 0), (60, 90)]
    points = [rasterio.control.GroundControlPoint(r, c, 5e5 + c, 2.7e6 - r, 0) for r, c in corners]
    pixels = picture(0, (60, 90)).transpose(2, 0, 1)
    write_raster(tmp_path / "a.tif", pixels, colours="red green blue", transform=None, gcps=points)
    maps = predicted(tmp_path, "--images", tmp_path / "a.tif")
    with rasterio.open(maps / "ids/a.tif") as file:
        assert [(point.row, point.col, point.x, point.y) for point in file.gcps[0]] == [
            (point.row, point.col, point.x, point.y) for point in points
        ]
    assert all(line["square_metres"] == "" for line in rows_of(maps / "class_areas.csv"))
    argv = ["--checkpoint-dir", run_folder, "--save-dir", tmp_path / "more", "--polygons", tmp_path / "a.gpkg"]
    line = error_line(capsys, 2, predict.main, [*map(str, argv), "--images", str(tmp_path / "a.tif")])
    assert "is placed by ground control points alone" in line


def maps_of(out: Path, *options: object) -> int:
    return predict.main([str(part) for part in ["--save-dir", out, "--device", "cpu", "--precision", "fp32", *options]])


def test_two_processes_share_windows_and_images(tmp_path: Path, run_folder: Path):
    write_scene(tmp_path / "images/a.tif", size=(150, 90))
    for seed in range(3):
        write_image(tmp_path / f"images/small{seed}.png", picture(seed, (32, 32)))
    options = [
        "--checkpoint-dir",
        run_folder,
        "--images",
        tmp_path / "images",
        "--input-size",
        "48,48",
        "--batch-size",
        1,
    ]
    assert in_processes(2, partial(maps_of, tmp_path / "two", *options)) == [0, 0]
    assert maps_of(tmp_path / "one", *options) == 0
    names = sorted(str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one/ids").iterdir())
    assert len(names) == 6
    for name in (*names, "class_shares.csv", "class_areas.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_broken_maps_of_one_process_end_both(tmp_path: Path, network: nn.Module):
    folder = tmp_path / "checkpoint"
    write_run(folder, network)
    write_scene(tmp_path / "a.tif", size=(150, 90))
    weights = {n: v.sign() * 3e38 if n.startswith("head.") else v for n, v in network.state_dict().items()}
    torch.save(weights, folder / "checkpoint400.pth")
    options = ["--checkpoint-dir", folder, "--images", tmp_path / "a.tif", "--input-size", "48,48"]
    assert in_processes(2, partial(maps_of, tmp_path / "two", *options)) == [1, 1]


def test_scenes_elsewhere_than_the_area_are_named_and_left_out(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
):
    write_scene(tmp_path / "scenes/a.tif")
    write_scene(tmp_path / "scenes/b.tif", transform=moved(1000))
    write_area(tmp_path / "aoi.gpkg")
    maps = predicted(tmp_path, "--images", tmp_path / "scenes", "--aoi", tmp_path / "aoi.gpkg")
    assert "--aoi overlaps 1 of 2 scenes; left out: b.tif" in capsys.readouterr().out
    assert not (maps / "ids/b.tif").exists()
    predicted(tmp_path, "--images", tmp_path / "scenes/b.tif", "--aoi", tmp_path / "aoi.gpkg", code=1, out="none")
    assert "b.tif" in capsys.readouterr().err


def test_what_contradicts_itself_is_refused_before_anything_is_done(
    tmp_path: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]
):
    write_scene(tmp_path / "a.tif")
    write_area(tmp_path / "aoi.gpkg")
    area, file = (tmp_path / "aoi.gpkg").read_bytes(), tmp_path / "file"
    file.write_text("mine")
    argv = ["--checkpoint-dir", run_folder, "--save-dir", tmp_path / "maps", "--images", tmp_path / "a.tif"]
    for options, words in (
        (["--aoi", tmp_path / "aoi.gpkg", "--polygons", tmp_path / "aoi.gpkg", "--overwrite"], "is the file of --aoi"),
        (["--scale", 0.5, "--other-scale", "resample"], "--scale and --other-scale resample both bring images"),
        (["--polygons", file / "a.gpkg"], f"{file} could not be written (file exists)"),
    ):
        assert words in error_line(capsys, 2, predict.main, list(map(str, [*argv, *options])))
    assert (tmp_path / "aoi.gpkg").read_bytes() == area
    assert not list((tmp_path / "maps").rglob("*.tif"))


def test_an_image_is_closed_after_the_last_window_was_read(tmp_path: Path, run_folder: Path):
    events: list[str] = []

    class Slow(WholeImage):
        def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
            time.sleep(0.05)
            events.append("read")
            return super().read(top, left, height, width)

    @contextmanager
    def opened() -> Iterator[Slow]:
        try:
            yield Slow(picture(0, (200, 40)))
        finally:
            events.append("closed")

    image = MapImage("a", tmp_path / "a", opened, lambda: (200, 40))
    mapper = Mapper(Trained.open(run_folder, device="cpu"), WindowSettings((40, 40), batch_size=1))
    strips = mapper.strips([image])
    next(strips)
    strips.close()
    assert events[-1] == "closed"


def test_tiles_of_a_list_that_training_would_resize_are_not_mapped_as_they_are(
    tmp_path: Path, network: DeepLabV2, capsys: pytest.CaptureFixture[str]
):
    names = [("one", 1), ("two", 2), ("three", 3)]
    bands = {"bands": [{"index": i, "name": n} for n, i in names], "mean": [0.5] * 3, "std": [0.2] * 3}
    bands["ranges"] = [[0, 255]] * 3
    tiny = write_custom(tmp_path / "custom", count=1, size=(32, 48), version=2, tile_size=32, **bands)
    write_run(tmp_path / "checkpoint", network, version=2, classes=CUSTOM["classes"], **bands)
    data = ["--dataset", "custom", "--data-dir", tiny.folder, "--data-list", tiny.list_path]
    predicted(tmp_path, *data, code=1)
    assert "is 32×48, and tiles of the data set are brought to 32×32" in capsys.readouterr().err
