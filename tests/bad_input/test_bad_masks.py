"""Masks of another size, with ids or colours that no class has, and masks without a label."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLOURS, CUSTOM, patches, write_custom, write_image
from tests.files import half, image_file

SIZE = (32, 32)
IDS = patches(0, SIZE, range(3))


def with_wrong_rows(mask: np.ndarray, rows: int, value: object) -> np.ndarray:
    wrong = mask.copy()
    wrong[:rows] = value
    return wrong


BAD_MASKS: dict[str, tuple[str, Callable[[], bytes | None], str]] = {
    "missing": ("custom", lambda: None, "missing"),
    "empty": ("custom", lambda: b"", "is empty"),
    "cut": ("custom", lambda: half(image_file(IDS)), "damaged"),
    "another size": ("custom", lambda: image_file(patches(0, (32, 40), range(3))), "32×40, but its image is 32×32"),
    "ids out of range": ("custom", lambda: image_file(IDS + 3), "ids that no class has (3, 4, 5)"),
    "a tenth out of range": ("custom", lambda: image_file(with_wrong_rows(IDS, 4, 77)), "12.5%"),
    "colours for ids": ("custom", lambda: image_file(COLOURS[IDS]), "holds colours"),
    "colours with alpha for ids": ("custom", lambda: image_file(COLOURS[IDS], mode="RGBA"), "holds colours"),
    "ids of floats": ("custom", lambda: image_file(IDS.astype(np.float32), "tiff"), "grey values of 8 or 16 bits"),
    "16-bit colours": ("coloured", lambda: image_file(IDS.astype(np.uint16)), "16-bit"),
    "ids for colours": ("coloured", lambda: image_file(IDS), "colours that no class has (most often #000000"),
    "channels in another order": ("coloured", lambda: image_file(COLOURS[IDS][..., ::-1].copy()), "#302010"),
    "a tenth off the palette": ("coloured", lambda: image_file(with_wrong_rows(COLOURS[IDS], 4, (1, 2, 3))), "#010203"),
    "packed as JPEG": ("coloured", lambda: image_file(COLOURS[IDS], "jpeg", quality=30), "colours that no class has"),
}


@pytest.mark.parametrize("command", ["train_s4gan", "auto_evaluate"])
@pytest.mark.parametrize("kind", BAD_MASKS)
def test_mask_of_a_labelled_tile_is_refused_by_name(request, argv, refused, command, kind):
    which, make, words = BAD_MASKS[kind]
    tiny = request.getfixturevalue(f"{which}_set")
    path = tiny.folder / "masks" / "tile1.png"
    path.unlink()
    if (content := make()) is not None:
        path.write_bytes(content)
    line = refused(1, command, argv(command, tiny))
    assert words in line
    assert str(path) in line


@pytest.mark.parametrize("which", ["custom", "coloured"])
def test_a_little_off_palette_is_a_warning_with_its_share(request, argv, accepted, which):
    tiny = request.getfixturevalue(f"{which}_set")
    mask, wrong = (IDS, 77) if which == "custom" else (COLOURS[IDS], (1, 2, 3))
    (tiny.folder / "masks" / "tile1.png").write_bytes(image_file(with_wrong_rows(mask, 1, wrong)))
    said = accepted("auto_evaluate", argv("auto_evaluate", tiny))
    assert "warning: " in said
    assert "tile1.png: 3.12% of the pixels" in said
    assert "Traceback" not in said
    assert ".py" not in said  # no line of code


def test_many_such_masks_are_few_lines(argv, accepted, tmp_path):
    tiny = write_custom(tmp_path / "custom", count=12)
    for name in tiny.names:
        write_image(tiny.folder / "masks" / f"{name}.png", with_wrong_rows(IDS, 1, 77))
    lines = accepted("auto_evaluate", argv("auto_evaluate", tiny)).splitlines()
    assert len([line for line in lines if "3.12%" in line]) == 5
    assert "warning: 7 more of these were not shown" in lines


def test_masks_without_a_label_are_allowed(argv, accepted, custom_set, checkpoints):
    for name in custom_set.names[:2]:
        write_image(custom_set.folder / "masks" / f"{name}.png", np.full(SIZE, 255, np.uint8))
    accepted("auto_evaluate", argv("auto_evaluate", custom_set))
    accepted("train_s4gan", argv("train_s4gan", custom_set, checkpoint_dir=custom_set.folder / "run"))


def test_no_label_in_any_mask_is_refused(argv, refused, custom_set):
    for name in custom_set.names:
        write_image(custom_set.folder / "masks" / f"{name}.png", np.full(SIZE, 255, np.uint8))
    for command in ("auto_evaluate", "train_s4gan"):
        assert "no pixel of the 4 masks has a class" in refused(1, command, argv(command, custom_set))


# --- values that nobody gave a meaning --------------------------------------------------------------------------------


def undeclared(said: str) -> list[str]:
    return [line for line in said.splitlines() if "read as" in line]


def with_255_for_water(tiny):
    for name in tiny.names:
        path = tiny.folder / "masks" / f"{name}.png"
        ids = np.asarray(Image.open(path))
        write_image(path, np.where(ids == 2, 255, ids).astype(np.uint8))
    return tiny


@pytest.mark.parametrize("no_cache", [None, True])
@pytest.mark.parametrize("command", ["train_s4gan", "auto_evaluate"])
def test_each_command_says_once_which_option_would_mean_the_values_found(
    argv, accepted, custom_set, tmp_path, command, no_cache
):
    tiny = with_255_for_water(custom_set)
    second = {"train_s4gan": "val_list", "auto_evaluate": "test_list"}[command]
    for run in ("first",) if no_cache else ("first", "with the masks in the cache"):
        place = {"train_s4gan": "checkpoint_dir", "auto_evaluate": "save_dir"}[command]
        options = argv(command, tiny, no_cache=no_cache, **{second: tiny.list_path, place: tmp_path / run})
        lines = undeclared(accepted(command, options))
        assert len(lines) == 1
        assert lines[0].startswith("warning: in 8 masks water never occurs and 255 (")
        assert "--classes 0=field,1=forest,255=water " in lines[0]


def test_masks_of_codes_train_and_score_as_they_are(argv, accepted, custom_set, tmp_path):
    tiny = with_255_for_water(custom_set)
    codes = {"field": [0], "forest": [1], "water": [255]}
    (tiny.folder / "dataset.json").write_text(json.dumps(CUSTOM | {"version": 2, "codes": codes}))
    assert accepted("auto_evaluate", argv("auto_evaluate", tiny, save_dir=tmp_path / "codes")).count("warning") == 0
    for seed, name in enumerate(tiny.names):
        write_image(tiny.folder / "masks" / f"{name}.png", patches(seed, SIZE, range(3)))
    (tiny.folder / "dataset.json").write_text(json.dumps(CUSTOM))
    accepted("auto_evaluate", argv("auto_evaluate", tiny, save_dir=tmp_path / "ids"))
    by_codes, by_ids = (json.loads((tmp_path / n / "best_scores_1.json").read_text()) for n in ("codes", "ids"))
    assert by_codes == by_ids


def test_a_short_list_of_a_known_set_is_no_news(argv, accepted, ucm_set, tmp_path):
    mask = np.full((256, 256), 3, np.uint8)
    mask[:128] = 0  # no class, in DLRSD
    for name in ucm_set.names:
        write_image(ucm_set.folder / "UCMerced_Labels" / f"{name}.png", mask)
    assert "warning" not in accepted("train_s4gan", argv("train_s4gan", ucm_set))


@pytest.mark.parametrize("command", ["train_s4gan", "auto_evaluate"])
def test_masks_are_not_what_is_missing_where_there_are_no_images(argv, refused, tmp_path, command):
    tiny = write_custom(tmp_path / "custom", tile_size=32)
    for path in tiny.folder.rglob("*.png"):
        path.unlink()
    ratio = {"labeled_ratio": "0.5"} if command == "train_s4gan" else {}
    line = refused(1, command, argv(command, tiny, **ratio))
    assert "4 of 4 images are missing, the first is " in line
    assert "check --data-dir" in line


def test_where_no_mask_is_found_the_first_place_is_named(argv, refused, custom_set):
    for path in (custom_set.folder / "masks").iterdir():
        path.unlink()
    line = refused(1, "train_s4gan", argv("train_s4gan", custom_set, labeled_ratio="0.5"))
    assert f"only 0 of 4 have a mask (the first would be {custom_set.folder / 'masks' / 'tile0.png'})" in line
