import json
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor, nn

from tests.utils.evaluation.test_tile_lists import RedReader, Tiles, scorer
from utils.digests import digest_of
from utils.errors import DataError
from utils.evaluation.calibration.record import FILE, calibrate, read_calibration, write_calibration


class TooSure(nn.Module):
    """Says of each pixel what `RedReader` says, which errs, and that it is next to certain."""

    def forward(self, images: Tensor) -> Tensor:
        return RedReader()(images).clamp(-4, 4)


@pytest.fixture
def lists():
    pair = scorer(Tiles(6)), scorer(Tiles(3))
    for each in pair:
        each.network = TooSure()
    return pair


def test_a_network_that_is_too_sure_is_as_right_as_it_is_sure_at_its_temperature(lists):
    found = calibrate(lists[0], None)
    assert found.temperature > 1
    assert not found.is_held_out
    accuracy = 1 - 8 * 2 * (0 + 1 + 2) / (6 * 64)
    assert found.before.overall_accuracy == pytest.approx(accuracy)
    assert found.before.error == pytest.approx(1 - accuracy, abs=1e-3)  # nearly 1 sure
    assert found.after.error == pytest.approx(0, abs=1e-3)
    assert found.nll_after < found.nll_before
    assert "on val.txt, which the temperature was fitted on" in found.in_words()
    assert "does not help" not in found.in_words()
    worse = replace(found, before=found.after, after=found.before)
    assert worse.in_words().endswith("; the temperature does not help there")


def test_the_temperature_is_of_the_list_of_the_choice_and_the_error_of_the_test_list(lists):
    chosen_on, test_list = lists
    test_list.tiles.path = Path("test.txt")
    found = calibrate(chosen_on, test_list)
    assert found.temperature == calibrate(chosen_on, None).temperature
    assert (found.fitted_on, found.measured_on, found.is_held_out, found.tiles) == ("val.txt", "test.txt", True, 3)
    assert found.before == calibrate(test_list, None).before


@pytest.fixture
def run(tmp_path: Path, lists) -> Path:
    """A folder with a checkpoint and its calibration."""
    checkpoint = tmp_path / "checkpoint7.pth"
    checkpoint.write_bytes(b"weights")
    assert (
        write_calibration(checkpoint, digest_of(checkpoint), replace(calibrate(lists[0], None), temperature=1.5)) == ""
    )
    return tmp_path


def test_a_checkpoint_and_its_copy_have_the_temperature_and_others_a_warning(run: Path, capsys):
    assert read_calibration(run, run / "checkpoint7.pth") == 1.5
    (run / "best.pth").write_bytes(b"weights")
    assert read_calibration(str(run), str(run / "best.pth")) == 1.5
    assert capsys.readouterr().err == ""
    (run / "best.pth").write_bytes(b"others")
    assert read_calibration(run, run / "best.pth") is None
    line = capsys.readouterr().err
    assert "was fitted to checkpoint7.pth, not to best.pth, so confidence is not calibrated" in line
    assert line.count("\n") == 1
    assert read_calibration(run / "elsewhere", run / "best.pth") is None


def test_the_file_says_what_it_is_of(run: Path):
    content = json.loads((run / FILE).read_text())
    assert (content["version"], content["temperature"], content["list"]) == (1, 1.5, "val.txt")
    assert content["checkpoint_sha256"] == digest_of(run / "checkpoint7.pth")
    assert content["ece_after"] < content["ece_before"]
    assert len(content["reliability_before"]["share"]) == content["bins"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, "is of version 2, and this program reads 1"),
        ({"temperature": "hot"}, "names no temperature"), ({"temperature": 0}, "names no temperature"),
        ({"temperature": float("nan")}, "names no temperature"), ({"temperature": True}, "names no temperature"),
        ({"checkpoint_sha256": None}, "names no temperature and digest"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused(run: Path, changes: dict, words: str):
    (run / FILE).write_text(json.dumps(json.loads((run / FILE).read_text()) | changes))
    with pytest.raises(DataError, match=words):
        read_calibration(run, run / "checkpoint7.pth")


def test_a_checkpoint_that_is_not_there_is_named(run: Path):
    with pytest.raises(DataError, match=r"gone\.pth cannot be read"):
        read_calibration(run, run / "gone.pth")


def test_a_folder_that_cannot_be_written_costs_a_remark(run: Path, lists):
    (run / FILE).unlink()
    (run / FILE).mkdir()
    remark = write_calibration(run / "checkpoint7.pth", "digest", calibrate(lists[0], None))
    assert "so maps of this run will not know its temperature" in remark
