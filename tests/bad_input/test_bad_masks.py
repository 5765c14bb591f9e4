"""Masks of another size, with ids or colours that no class has, and masks without a label."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from tests.conftest import COLOURS, patches, write_custom, write_image
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


def test_no_label_in_any_mask_gives_empty_scores(argv, accepted, custom_set, tmp_path):
    for name in custom_set.names:
        write_image(custom_set.folder / "masks" / f"{name}.png", np.full(SIZE, 255, np.uint8))
    accepted("auto_evaluate", argv("auto_evaluate", custom_set))
    scores = json.loads((tmp_path / "out" / "best_scores_1.json").read_text())
    assert scores["Mean IoU"] is None
