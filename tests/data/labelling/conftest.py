"""A set to be labelled: tiles without masks, and the masks that people will draw."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from data.footprints.records import TileRecord, write_tiles_csv
from tests.conftest import TinySet, patches, write_custom

UTM = "EPSG:32640"


@dataclass(frozen=True)
class LabelSet:
    """A set without masks, and its true ones; 255 in the first row, which nobody draws."""

    tiny: TinySet
    masks: dict[str, np.ndarray]

    @property
    def folder(self) -> Path:
        return self.tiny.folder

    @property
    def names(self) -> Path:
        return self.tiny.list_path


def label_set(
    folder: Path, crs: str | None = None, size: tuple[int, int] = (24, 32), **description: object
) -> LabelSet:
    tiny = write_custom(folder, 3, size, **description)
    for path in (folder / "masks").iterdir():
        path.unlink()
    masks = {name: patches(seed, size, range(3), 6) for seed, name in enumerate(tiny.names)}
    for ids in masks.values():
        ids[0] = 255
    if crs is not None:
        records = [
            TileRecord(name, "scene", 0, 40 * k, *size, crs, (0.5, 0.0, 300_000.0 + 20 * k, 0.0, -0.5, 2_800_000.0))
            for k, name in enumerate(tiny.names)
        ]
        write_tiles_csv(folder / "tiles.csv", records)
    return LabelSet(tiny, masks)


@pytest.fixture
def unplaced(tmp_path: Path) -> LabelSet:
    """Three tiles of 24×32 without a place."""
    return label_set(tmp_path / "set")


@pytest.fixture
def placed(tmp_path: Path) -> LabelSet:
    """Three tiles of 24×32 in a CRS."""
    return label_set(tmp_path / "set", UTM)
