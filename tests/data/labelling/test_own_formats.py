"""Masks are written as each data set has them."""

import numpy as np
import pytest

from data.descriptions import DEEPGLOBE, UCM
from tests.conftest import PALETTE, write_deepglobe, write_image, write_ucm
from tests.data.labelling.commands import assert_same, exported, imported, run
from tests.data.labelling.conftest import label_set
from tests.data.labelling.tool_files import coloured, cvat_files, zipped


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
