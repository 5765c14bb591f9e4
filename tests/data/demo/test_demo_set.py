import re

import numpy as np
import pytest
from PIL import Image

from data.demo.demo_set import SCENE_PAINTERS, draw_demo, draw_scene
from data.demo.textures import MATERIALS

UCM_SCENES = [
    "agricultural",
    "airplane",
    "baseballdiamond",
    "beach",
    "buildings",
    "chaparral",
    "denseresidential",
    "forest",
    "freeway",
    "golfcourse",
    "harbor",
    "intersection",
    "mediumresidential",
    "mobilehomepark",
    "overpass",
    "parkinglot",
    "river",
    "runway",
    "sparseresidential",
    "storagetanks",
    "tenniscourt",
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A set of two tiles a scene, seed 3: its folder and its names."""
    out = tmp_path_factory.mktemp("demo")
    return out, draw_demo(out, tiles_per_class=2, seed=3)


def test_scenes_are_those_of_uc_merced_in_order():
    assert list(SCENE_PAINTERS) == UCM_SCENES


def test_every_tile_is_a_full_rgb_image_with_a_full_mask(demo_tiles):
    for image, mask in demo_tiles.values():
        assert image.shape == (256, 256, 3)
        assert mask.shape == (256, 256)
        assert image.dtype == mask.dtype == np.uint8
        assert mask.min() >= 1
        assert mask.max() <= 17


def test_every_class_covers_enough_ground_in_several_tiles(demo_tiles):
    for name, material in MATERIALS.items():
        areas = np.array([(mask == material.id).sum() for _, mask in demo_tiles.values()])
        assert (areas > 0).sum() >= 5, name
        assert areas.sum() >= 0.005 * 256 * 256 * len(demo_tiles), name


def test_one_state_draws_one_tile(demo_tiles):
    for index, scene in enumerate(SCENE_PAINTERS):
        image, mask = draw_scene(scene, np.random.default_rng((0, index, 1)))
        assert np.array_equal(image, demo_tiles[scene, 1][0])
        assert np.array_equal(mask, demo_tiles[scene, 1][1])
        assert not np.array_equal(image, demo_tiles[scene, 2][0])


def test_an_unknown_scene_is_named():
    with pytest.raises(ValueError, match=r"unknown scene 'moon'.*agricultural"):
        draw_scene("moon", np.random.default_rng(0))


def test_set_is_written_in_the_layout_of_uc_merced(written):
    out, names = written
    assert [re.fullmatch(r"([a-z]+)0[01]", name)[1] for name in names] == [s for s in UCM_SCENES for _ in range(2)]
    assert {path.name for path in out.iterdir()} == {"UCMerced_Images", "UCMerced_Labels"}
    assert {path.name for path in (out / "UCMerced_Images").iterdir()} == {f"{name}.tif" for name in names}
    assert {path.name for path in (out / "UCMerced_Labels").iterdir()} == {f"{name}.png" for name in names}
    for name in names:
        with Image.open(out / "UCMerced_Images" / f"{name}.tif") as image:
            assert (image.format, image.mode) == ("TIFF", "RGB")
        with Image.open(out / "UCMerced_Labels" / f"{name}.png") as mask:
            assert (mask.format, mask.mode, mask.size) == ("PNG", "L", image.size)


def test_about_one_tile_in_eight_has_an_odd_size(written):
    out, names = written
    sizes = [Image.open(out / "UCMerced_Images" / f"{name}.tif").size for name in names]
    odd = [size for size in sizes if size != (256, 256)]
    assert 3 <= len(odd) <= 8
    assert len(set(odd)) > 1


def test_a_file_holds_the_tile_of_its_seed_scene_and_number(written):
    out, _ = written
    image, mask = draw_scene("beach", np.random.default_rng((3, UCM_SCENES.index("beach"), 1)))
    with Image.open(out / "UCMerced_Images" / "beach01.tif") as file:
        assert np.array_equal(np.asarray(file), image)
    with Image.open(out / "UCMerced_Labels" / "beach01.png") as file:
        assert np.array_equal(np.asarray(file), mask)


def test_a_larger_set_begins_with_the_tiles_of_a_smaller_one(written, tmp_path):
    out, names = written
    assert draw_demo(tmp_path, tiles_per_class=1, seed=3) == names[::2]
    for path in tmp_path.rglob("*.*"):
        assert path.read_bytes() == (out / path.relative_to(tmp_path)).read_bytes()


@pytest.mark.parametrize("count", [0, 101])
def test_a_count_that_names_cannot_hold_is_refused(tmp_path, count):
    with pytest.raises(ValueError, match=f"{count}, expected 1 to 100"):
        draw_demo(tmp_path, count, seed=0)
    assert not list(tmp_path.iterdir())
