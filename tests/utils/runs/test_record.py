import json
from pathlib import Path
from typing import Any

import pytest

from utils.imagery.bands import RGB_BANDS, Bands
from utils.errors import DataError
from utils.runs.origin import Origin, SeenTiles
from utils.runs.record import RunRecord, read_record

VERSION_1 = Path(__file__).resolve().parents[2] / "fixtures" / "run_v1" / "run" / "options.json"
FOUR_BANDS = RunRecord(
    backbone="resnet18",
    classes=("land", "water"),
    colours=((1, 2, 3), (4, 5, 6)),
    tile_size=(64, 96),
    method="fixmatch",
    ignore_label=0,
    bands=Bands(
        ("blue", "red", "green", "near infrared"),
        (2, 4, 3, 8),
        ((0, 3000), (0, 3000), (0.5, 4000), (0, 10000)),
        (0.1, 0.2, 0.3, 0.4),
        (0.2, 0.2, 0.2, 0.2),
        (1, 2, 0),
        metres_per_pixel=10,
        nodata=0,
    ),
    imagenet_weights=False,
    options={"num_steps": 60, "save_pred_every": 10},
    machine={"torch": "2.15"},
    weights=Origin("backbone.pth", "ab12", (SeenTiles.of("self", ["a", "b"], ["1" * 16, "2" * 16]),)),
)


def test_what_was_written_is_read(tmp_path: Path):
    FOUR_BANDS.write(tmp_path / "options.json")
    assert read_record(tmp_path / "options.json") == FOUR_BANDS
    assert json.loads((tmp_path / "options.json").read_text())["version"] == 2


def test_a_file_without_a_version_reads_as_rgb_of_0_to_255():
    record = read_record(VERSION_1)
    assert (record.backbone, record.method, record.tile_size) == ("tiny", "s4gan", (32, 32))
    assert record.classes == ("grass", "water", "road")
    assert record.bands == RGB_BANDS
    assert record.bands.is_plain
    assert (record.num_steps, record.save_pred_every, record.ignore_label) == (2, 2, 255)
    assert record.imagenet_weights is False
    assert record.machine["precision"] == "fp32"


def test_a_run_on_labelled_tiles_alone_was_supervised(tmp_path: Path):
    raw = json.loads(VERSION_1.read_text())
    raw["options"]["supervised_only"] = True
    (tmp_path / "options.json").write_text(json.dumps(raw))
    assert read_record(tmp_path / "options.json").method == "supervised"


@pytest.mark.parametrize(("ratio", "chosen", "method"),
    [(None, False, "supervised"), ("1.0", False, "supervised"), (None, True, "s4gan"), ("0.5", False, "s4gan")],
)
def test_a_run_whose_tiles_were_all_labelled_was_supervised(tmp_path: Path, ratio, chosen: bool, method: str):
    raw = json.loads(VERSION_1.read_text())
    raw["options"] |= {"labeled_ratio": ratio, "active_learning": chosen}
    (tmp_path / "options.json").write_text(json.dumps(raw))
    assert read_record(tmp_path / "options.json").method == method


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "of version 3, and this program reads up to 2"),
        ({"backbone": 5}, "`backbone` is 5, expected the name of a backbone"),
        ({"options": []}, "`options` is .*, expected the run's options by name"),
        ({"classes": ["one"]}, "`classes` is .*, expected names of pixel classes"),
        ({"colours": [[1, 2, 3]]}, "`colours` is .*, expected 2 colours"),
        ({"colours": [[1, 2, 3], [4, 5, 256]]}, "`colours` is"),
        ({"tile_size": [0, 8]}, "`tile_size` is .*, expected height and width"),
        ({"ignore_label": True}, "`ignore_label` is True, expected an id of 0 to 255"),
        ({"method": None}, "`method` is None"),
        ({"bands": []}, "`bands` is"),
        ({"ranges": [[0, 1]]}, "`ranges` is .*, expected 4 pairs"),
        ({"ranges": [[0, 1], [0, 1], [0, 1], [2, 1]]}, "`ranges` is"),
        ({"std": [0, 1, 1, 1]}, "`mean` is .*deviations above 0"),
        ({"metres_per_pixel": -1}, "`metres_per_pixel` is -1"),
        ({"weights": "imagenet"}, "`weights` is imagenet, expected a file, its digest and the tiles it has seen"),
    ],
)
def test_a_damaged_file_is_named_with_its_key(tmp_path: Path, change: dict[str, Any], message: str):
    FOUR_BANDS.write(tmp_path / "options.json")
    raw = json.loads((tmp_path / "options.json").read_text())
    (tmp_path / "options.json").write_text(json.dumps(raw | change))
    with pytest.raises(DataError, match=f"options.json.*{message}"):
        read_record(tmp_path / "options.json")


def test_another_normalisation_in_version_1_is_refused(tmp_path: Path):
    raw = json.loads(VERSION_1.read_text()) | {"normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1]}}
    (tmp_path / "options.json").write_text(json.dumps(raw))
    with pytest.raises(DataError, match="`normalisation` is"):
        read_record(tmp_path / "options.json")
