"""The commands as tests of labelling run them."""

from pathlib import Path

import numpy as np

from data.labelling.settings import LabelSetSettings
from data.labelling.tiles import LabelTiles
from tests.data.labelling.conftest import LabelSet
from tools import label


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
