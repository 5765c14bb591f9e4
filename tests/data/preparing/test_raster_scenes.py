"""Scenes with a place, nodata, other bands and bits: their tiles hold what the plain files' tiles hold."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.features import shapes
from rasterio.transform import Affine

from data.footprints.records import read_tiles_csv
from data.opening import open_dataset
from data.rasters.scene import RasterScene
from data.tiles import Tiles
from tests.conftest import orientation, write_image
from tests.data.rasters.scene_files import AT, UTM, write_raster
from tools.prepare_data import main

TILE, SIDE = 32, 80
CLASSES = "land,water,road"


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RGB (3, H, W), ids (H, W) in blocks, and where there are data: not in a corner."""
    rng = np.random.default_rng(seed)
    image = rng.integers(1, 256, (3, SIDE, SIDE)).astype(np.uint8)
    ids = rng.integers(0, 3, (SIDE // 8, SIDE // 8)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    valid = np.ones((SIDE, SIDE), bool)
    valid[:40, :40] = False  # all of one tile, and parts of others
    return image, ids, valid


def at(number: int) -> Affine:
    """Scenes side by side, with a gap of 100 m."""
    return AT * Affine.translation(number * (SIDE + 333), 0)


@pytest.fixture
def scenes(tmp_path: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Three scenes of RGB with a mask of nodata, and their masks as GeoTIFF."""
    made = [scene(seed) for seed in range(3)]
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for number, (image, ids, valid) in enumerate(made):
        write_raster(
            tmp_path / "images" / f"s{number}.tif", image, colours="red green blue", photometric="RGB",
            transform=at(number), mask=valid,
        )  # fmt: skip
        write_raster(tmp_path / "masks" / f"s{number}.tif", ids[None], transform=at(number))
    return made


def prepare(folder: Path, *flags: object, images: Sequence[Path] = (), masks: Sequence[Path] = (), code: int = 0):
    given = ["--images", *(images or [folder / "images"]), "--masks", *(masks or [folder / "masks"])]
    classes = [] if "--classes" in flags else ["--classes", CLASSES]
    words = ["scenes", *given, *classes, "--tile-size", TILE, "--out", folder / "out", "--min-valid", "0.1", *flags]
    assert main([str(word) for word in words]) == code


def opened(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Image and mask of each tile, by name."""
    found = {}
    for path in sorted((folder / "out").glob("t*.txt")):
        tiles: Tiles = open_dataset("custom", folder / "out", path, keeps_cache=False)
        found |= {name: (tiles.image(i), tiles.mask(i)) for i, name in enumerate(tiles.names)}
    return found


def assert_same_ground(folder: Path, scenes, to_byte=lambda image: image) -> None:
    """Each tile has the pixels, ids and data of its place in its scene."""
    tiles = opened(folder)
    records = {record.name: record for record in read_tiles_csv(folder / "out" / "tiles.csv")}
    assert len(tiles) == 3 * 8  # nine places a scene, of which one holds no data
    for name, (image, mask) in tiles.items():
        record = records[name]
        rows, columns = slice(record.row, record.row + TILE), slice(record.column, record.column + TILE)
        of_scene, ids, valid = scenes[int(record.scene[1])]
        expected = np.where(valid, to_byte(of_scene), 0)[:, rows, columns]
        np.testing.assert_array_equal(np.moveaxis(image[..., :-1], -1, 0)[: len(expected)], expected)
        np.testing.assert_array_equal(image[..., -1] == 255, valid[rows, columns])
        np.testing.assert_array_equal(mask, np.where(valid, ids, 255)[rows, columns])
        assert record.valid == pytest.approx(valid[rows, columns].mean())


def test_tiles_keep_pixels_ids_nodata_and_place(tmp_path: Path, scenes):
    prepare(tmp_path)
    assert_same_ground(tmp_path, scenes)
    record = next(r for r in read_tiles_csv(tmp_path / "out" / "tiles.csv") if r.name == "s1_2_1")
    with rasterio.open(tmp_path / "out" / "images" / "s1_2_1.tif") as tile:
        assert tile.crs == UTM
        assert tile.transform.almost_equals(at(1) * Affine.translation(32, 48))
        assert tuple(tile.transform)[:6] == pytest.approx(record.transform)
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert (described["nodata"], described["metres_per_pixel"]) == ("mask", pytest.approx(0.3, rel=0.01))
    assert pyogrio.read_info(tmp_path / "out" / "tiles.gpkg")["features"] == 24


def test_masks_on_another_grid_and_polygons_fall_where_they_lie(tmp_path: Path, scenes):
    (tmp_path / "finer").mkdir()
    polygons, names = [], []
    for number, (_, ids, _) in enumerate(scenes):
        finer = np.pad(ids.repeat(2, 0).repeat(2, 1), 6, constant_values=255)
        place = at(number) * Affine.translation(-3, -3) * Affine.scale(0.5)
        table = {0: (132, 41, 246, 255), 1: (226, 169, 41, 255), 2: (0, 0, 0, 255), 255: (9, 9, 9, 0)}
        write_raster(tmp_path / "finer" / f"s{number}.tif", finer[None], transform=place, table=table)
        for shape, value in shapes(ids, transform=at(number)):
            polygons.append(shapely.geometry.shape(shape))
            names.append(CLASSES.split(",")[int(value)])
    prepare(tmp_path, masks=[tmp_path / "finer"])
    assert_same_ground(tmp_path, scenes)
    pyogrio.raw.write(
        tmp_path / "labels.gpkg", shapely.to_wkb(np.array(polygons)), [np.array(names, object)], ["class"],
        driver="GPKG", geometry_type="Polygon", crs=UTM,
    )  # fmt: skip
    prepare(tmp_path, "--overwrite", masks=[tmp_path / "labels.gpkg"])
    assert_same_ground(tmp_path, scenes)


def test_sixteen_bits_come_back_after_their_range(tmp_path: Path, scenes):
    for number, (image, _, valid) in enumerate(scenes):
        wide = np.where(valid, image.astype(np.uint16) * 16 + 5, 0)
        values = np.concatenate([wide, wide[:1] // 2])
        write_raster(
            tmp_path / "images" / f"s{number}.tif", values, colours="red green blue undefined", transform=at(number),
            nodata=0, names=("", "", "", "nir"),
        )  # fmt: skip
    prepare(tmp_path, "--value-range", "5,4085", "--bands", "red,green,blue,nir")
    tiles = opened(tmp_path)
    assert {image.shape[2] for image, _ in tiles.values()} == {5}
    assert_same_ground(tmp_path, scenes)
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert [band["name"] for band in described["bands"]] == ["red", "green", "blue", "nir"]
    assert (described["nodata"], described["ranges"]) == (0, [[5, 4085]] * 4)
    assert len(described["mean"]) == 4
    with rasterio.open(tmp_path / "out" / "images" / "s0_2_2.tif") as tile:
        assert tile.dtypes == ("uint16",) * 4
        assert tile.nodata == 0


def test_ranges_are_percentiles_of_the_training_tiles_alone(tmp_path: Path, scenes):
    for number in range(3):  # the third scene is far brighter than the others
        values = np.full((1, SIDE, SIDE), 100 + 10_000 * number, np.uint16) + np.arange(SIDE, dtype=np.uint16)
        write_raster(tmp_path / "images" / f"s{number}.tif", values, transform=at(number))
    prepare(tmp_path, "--stretch", "0,100", "--test-share", "0.34")
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    training = {r.scene for r in read_tiles_csv(tmp_path / "out" / "tiles.csv") if r.list == "train"}
    numbers = sorted(int(name[1]) for name in training)
    assert len(numbers) == 2
    assert described["ranges"] == [[100 + 10_000 * numbers[0], 100 + 10_000 * numbers[-1] + SIDE - 1]]
    assert described["stretch"] == [0, 100]
    assert described["display_bands"] == [0]


def test_overlapping_scenes_and_blocks_stay_on_one_side_and_a_gap_parts_the_lists(tmp_path: Path, scenes):
    image, _, _ = scenes[0]
    write_raster(  # shows the ground of the first scene
        tmp_path / "images" / "s3.tif", image, colours="red green blue", photometric="RGB",
        transform=at(0) * Affine.translation(5, 5),
    )  # fmt: skip
    write_raster(tmp_path / "masks" / "s3.tif", scenes[0][1][None], transform=at(0) * Affine.translation(5, 5))
    prepare(tmp_path, "--test-share", "0.5")
    lists = {r.scene: r.list for r in read_tiles_csv(tmp_path / "out" / "tiles.csv")}
    assert lists["s0"] == lists["s3"]
    prepare(tmp_path, "--overwrite", "--block-size", "10", "--gap", "3", "--test-share", "0.3")
    records = read_tiles_csv(tmp_path / "out" / "tiles.csv")
    of_block: dict[str, set[str]] = {}
    for record in records:
        of_block.setdefault(record.block, set()).add(record.list or "train")
    assert {len(lists) for lists in of_block.values()} == {1}
    assert len(of_block) > 4
    assert any(record.list == "" for record in records)


def test_preparing_again_with_more_masks_keeps_the_lists(tmp_path: Path, scenes, capsys: pytest.CaptureFixture[str]):
    kept = (tmp_path / "masks" / "s2.tif").rename(tmp_path / "s2.tif")
    prepare(tmp_path)
    before = {path.name: path.read_text() for path in (tmp_path / "out").glob("*.txt")}
    kept.rename(tmp_path / "masks" / "s2.tif")
    capsys.readouterr()
    prepare(tmp_path, "--overwrite")
    assert {path.name: path.read_text() for path in (tmp_path / "out").glob("*.txt")} == before
    assert (
        "kept    the lists of before (--new-lists draws others); 8 tiles became labelled: s2_"
        in capsys.readouterr().out
    )
    prepare(tmp_path, "--overwrite", "--new-lists", "--random-seed", "0")
    assert "kept" not in capsys.readouterr().out


def test_masks_of_other_names_are_matched(tmp_path: Path, scenes):
    for number in range(3):
        (tmp_path / "masks" / f"s{number}.tif").rename(tmp_path / "masks" / f"mask_{number}.tif")
    prepare(tmp_path, "--match", r"s(\d+)=mask_\1")
    assert_same_ground(tmp_path, scenes)


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--bands", "1,7"), 2, "has no such band; it has 1 red, 2 green, 3 blue"),
        (("--bands", "rde"), 2, "did you mean red"),
        (("--value-range", "5,1"), 2, "its first value must be the smaller one"),
        (("--value-range", "0,9", "--stretch", "2,98"), 2, "--value-range and --stretch contradict each other"),
        (("--display-bands", "red,green"), 2, "--display-bands red,green names 2 bands"),
        (("--min-valid", "1", "--tile-size", "80"), 1, "no tile has data in 100% of its pixels; lower --min-valid"),
        (("--gap", "100000"), 2, "--gap leaves no training tile"),
        (("--match", "s=t"), 2, "--match"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(
    tmp_path: Path, scenes, capsys: pytest.CaptureFixture[str], flags, code: int, words: str
):
    prepare(tmp_path, *flags, code=code)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 1
    assert words in lines[0]
    assert not (tmp_path / "out").exists()


def test_scenes_of_other_bands_or_scale_are_refused(tmp_path: Path, scenes, capsys: pytest.CaptureFixture[str]):
    image, _, _ = scenes[0]
    write_raster(
        tmp_path / "images" / "s2.tif", image, colours="red green blue", photometric="RGB",
        transform=at(2) * Affine.scale(1.5),
    )  # fmt: skip
    prepare(tmp_path, code=1)
    said = capsys.readouterr().err
    assert "s2.tif has 0.45 m per pixel" in said
    assert "bring all to one by --metres-per-pixel, such as 0.45, or prepare them apart" in said
    write_raster(tmp_path / "images" / "s2.tif", image[:1], transform=at(2))
    prepare(tmp_path, code=1)
    assert "gives the bands" in capsys.readouterr().err


# --- Another scale ----------------------------------------------------------------------------------------------------


def halved(image: np.ndarray) -> np.ndarray:
    """The mean of two by two pixels."""
    bands, height, width = image.shape
    return np.rint(image.reshape(bands, height // 2, 2, width // 2, 2).mean(axis=(2, 4))).astype(image.dtype)


@pytest.mark.parametrize("masks", ["placed", "unplaced", "polygons"])
def test_scenes_of_different_scales_are_brought_to_one_with_their_labels(
    tmp_path: Path, scenes, capsys: pytest.CaptureFixture[str], masks: str
):
    polygons, names = [], []
    for number, (image, ids, _) in enumerate(scenes):
        scale = 1 if number else 2  # the first scene has 0.6 m already
        place = at(number) * Affine.scale(scale)
        write_raster(
            tmp_path / "images" / f"s{number}.tif", image, colours="red green blue", photometric="RGB", transform=place
        )
        for shape, value in shapes(ids, transform=place):
            polygons.append(shapely.geometry.shape(shape))
            names.append(CLASSES.split(",")[int(value)])
        of_mask = {"crs": None, "transform": None} if masks == "unplaced" else {"transform": place}
        write_raster(tmp_path / "masks" / f"s{number}.tif", ids[None], **of_mask)
    given = []
    if masks == "polygons":
        given = [tmp_path / "labels.gpkg"]
        pyogrio.raw.write(
            given[0], shapely.to_wkb(np.array(polygons)), [np.array(names, object)], ["class"],
            driver="GPKG", geometry_type="Polygon", crs=UTM,
        )  # fmt: skip
    metres = RasterScene.open(tmp_path / "images" / "s0.tif").metres_per_pixel
    prepare(tmp_path, "--metres-per-pixel", metres, masks=given)
    said = capsys.readouterr()
    assert "another grid" not in said.err
    assert f"brought to {metres:g} m per pixel" in said.out
    tiles = opened(tmp_path)
    assert len(tiles) == 9 + 2 * 4
    records = {record.name: record for record in read_tiles_csv(tmp_path / "out" / "tiles.csv")}
    for name, (image, mask) in tiles.items():
        record = records[name]
        of_scene, ids, _ = scenes[int(record.scene[1])]
        if record.scene != "s0":
            of_scene, ids = halved(of_scene), ids[::2, ::2]
        window = np.s_[record.row : record.row + TILE, record.column : record.column + TILE]
        np.testing.assert_array_equal(np.moveaxis(image, -1, 0), of_scene[:, *window])
        np.testing.assert_array_equal(mask, ids[window])
        assert record.transform is not None
        assert record.transform[0] == pytest.approx(0.6, rel=1e-3)
        with rasterio.open(tmp_path / "out" / "images" / f"{name}.tif") as tile:
            assert tuple(tile.transform)[:6] == pytest.approx(record.transform)
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert described["metres_per_pixel"] == pytest.approx(metres)


def test_ranges_are_those_of_resampled_values(tmp_path: Path, scenes):
    stripes = np.zeros((1, SIDE, SIDE), np.uint16)
    stripes[:, ::2] = 1000
    for number in range(3):
        write_raster(tmp_path / "images" / f"s{number}.tif", stripes + number, transform=at(number))
    metres = 2 * (RasterScene.open(tmp_path / "images" / "s0.tif").metres_per_pixel or 0)
    prepare(tmp_path, "--metres-per-pixel", metres, "--stretch", "0,100")
    (low, high) = json.loads((tmp_path / "out" / "dataset.json").read_text())["ranges"][0]
    assert 500 <= low < high <= 502


def test_ranges_are_of_the_bands_that_each_scene_has(tmp_path: Path, scenes):
    for number in range(3):  # the same bands in another order
        planes = np.stack([np.full((SIDE, SIDE), 1000 * band, np.uint16) for band in (1, 2, 3)])
        planes[:, 0] += 1
        order, colours = ([2, 1, 0], "blue green red") if number else ([0, 1, 2], "red green blue")
        write_raster(tmp_path / "images" / f"s{number}.tif", planes[order], colours=colours, transform=at(number))
    prepare(tmp_path, "--stretch", "0,100")
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert described["ranges"] == [[1000, 1001], [2000, 2001], [3000, 3001]]


def test_a_scale_needs_a_place_and_a_tile_that_fits(tmp_path: Path, scenes, capsys: pytest.CaptureFixture[str]):
    prepare(tmp_path, "--metres-per-pixel", "2", code=1)
    assert "s0.tif is 12×12 at 2 m per pixel, smaller than a tile of 32×32; leave the image out" in (
        capsys.readouterr().err
    )
    write_raster(tmp_path / "images" / "s1.tif", scenes[1][0], crs=None, transform=None)
    prepare(tmp_path, "--metres-per-pixel", "0.5", code=1)
    assert "s1.tif has no place on the earth, so that its metres per pixel are not known" in capsys.readouterr().err


# --- orientation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "turned as EXIF says: 8, left as stored against EXIF (their masks fit only that): 1"),
        (("--exif", "ignore"), "left as stored against EXIF (--exif ignore): 9"),
    ],
)
def test_turned_images_are_read_alike_alone_and_beside_rasters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
):
    stored, ids = scene(0)[0].transpose(1, 2, 0)[:, :64], scene(0)[1][:, :64]
    for number in range(1, 9):
        write_image(tmp_path / "images" / f"s{number}.png", stored, exif=orientation(number))
        write_image(tmp_path / "masks" / f"s{number}.png", ids.T if number >= 5 and not flags else ids)
    for number in (3, 6):  # one's mask is turned too, the other's was drawn on the pixels as they are stored
        write_image(tmp_path / "images" / f"t{number}.png", stored, exif=orientation(number))
    write_image(tmp_path / "masks" / "t3.png", ids, exif=orientation(3))
    write_image(tmp_path / "masks" / "t6.png", ids)
    prepare(tmp_path, *flags)
    alone = opened(tmp_path)
    assert said in capsys.readouterr().out
    write_raster(tmp_path / "images" / "a.tif", scene(1)[0], colours="red green blue", photometric="RGB")
    write_raster(tmp_path / "masks" / "a.tif", scene(1)[1][None])
    prepare(tmp_path, *flags, "--overwrite")
    assert said in capsys.readouterr().out
    beside = {name: tile for name, tile in opened(tmp_path).items() if not name.startswith("a")}
    assert beside.keys() == alone.keys()
    for name, (image, mask) in alone.items():
        np.testing.assert_array_equal(beside[name][0], image)
        np.testing.assert_array_equal(beside[name][1], mask)


def test_an_image_with_a_world_file_stays_as_it_is_stored(tmp_path: Path):
    image = scene(0)[0].transpose(1, 2, 0)[:, :64]
    path = write_image(tmp_path / "images" / "s.png", image, exif=orientation(6))
    path.with_suffix(".pgw").write_text("0.3\n0\n0\n-0.3\n500000\n2700000\n")
    (tmp_path / "masks").mkdir()
    write_image(tmp_path / "masks" / "s.png", scene(0)[1][:, :64])
    prepare(tmp_path)
    records = {record.name: record for record in read_tiles_csv(tmp_path / "out" / "tiles.csv")}
    for name, (tile, _) in opened(tmp_path).items():
        np.testing.assert_array_equal(tile, image[records[name].row :, records[name].column :][:TILE, :TILE])
