import json
from pathlib import Path

import numpy as np
import pytest

from tests.utils.evaluation.areas.test_resampled import drawn_tiles
from utils.errors import DataError
from utils.evaluation.areas import adjusted_areas, adjusted_areas_of_summary
from utils.evaluation.areas.of_summary import confusion_summary
from utils.evaluation.areas.units import Units

CLASSES, MAPPED = ["field", "forest", "water"], {"water": 20.0, "field": 50.0, "forest": 30.0}


def summary(count: int = 60, is_optimistic: bool = False) -> dict:
    units = Units.of(drawn_tiles(np.random.default_rng(0), count))
    return {"confusion": json.loads(json.dumps(confusion_summary(units, CLASSES, "test.txt", is_optimistic)))}


def test_a_summary_adjusts_as_the_tiles_themselves_do(tmp_path: Path):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(summary()))
    found = adjusted_areas_of_summary(path, MAPPED)
    direct = adjusted_areas(drawn_tiles(np.random.default_rng(0), 60), [50, 30, 20])
    assert [row.name for row in found.rows] == CLASSES
    assert [row.mapped for row in found.rows] == [50, 30, 20]
    assert [row.area for row in found.rows] == pytest.approx(direct.areas)
    np.testing.assert_allclose([(row.low, row.high) for row in found.rows], direct.ends)
    assert found.notes == ()
    assert found.overall == pytest.approx(direct.overall)


def test_the_summary_of_many_tiles_stays_small_and_keeps_its_intervals():
    kept = summary(5000)
    assert len(json.dumps(kept)) < 40_000
    found = adjusted_areas_of_summary(kept, MAPPED).rows
    direct = adjusted_areas(drawn_tiles(np.random.default_rng(0), 5000), [50, 30, 20])
    widths = [row.high - row.low for row in found]
    np.testing.assert_allclose(widths, np.ptp(np.array(direct.ends), axis=1), rtol=0.25)


def test_what_has_to_be_said_is_said():
    assert (
        "on which the checkpoint was chosen" in adjusted_areas_of_summary(summary(is_optimistic=True), MAPPED).notes[0]
    )
    few = adjusted_areas_of_summary(summary(9), MAPPED)
    assert few.notes == ("adjusted areas: too few for intervals (9 tiles, 50 are needed)",)
    assert few.rows[0].low is None


def test_other_classes_are_refused_and_missing_ones_have_no_area():
    with pytest.raises(DataError, match=r"the map has the classes 'road', which the summary does not know.*'field'"):
        adjusted_areas_of_summary(summary(), MAPPED | {"road": 1.0})
    assert adjusted_areas_of_summary(summary(), {"field": 2.0}).rows[2].mapped == 0


def test_a_summary_from_before_is_refused():
    with pytest.raises(DataError, match=r"holds no confusion of classes .* evaluate the checkpoint again"):
        adjusted_areas_of_summary({"chosen": {}}, MAPPED)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("counts", [[1, 2], [3, 4]]), ("counts", "none"), ("of_units", ["0>0:1"]), ("of_units", ["0>9:1"]),
        ("of_units", ["word"]), ("of_units", None), ("classes", None), ("classes", [1, 2, 3]), ("units", "60"),
        ("units_with_map", [1]),
    ],
)  # fmt: skip
def test_a_damaged_summary_is_refused(key: str, value: object):
    damaged = summary()
    damaged["confusion"][key] = value
    with pytest.raises(DataError, match="`confusion` is damaged"):
        adjusted_areas_of_summary(damaged, MAPPED)


def test_a_summary_without_units_is_refused():
    damaged = summary()
    del damaged["confusion"]["of_units"]
    with pytest.raises(DataError, match="damaged"):
        adjusted_areas_of_summary(damaged, MAPPED)
