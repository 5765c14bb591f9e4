"""The command: the file that it writes, of bytes and for any number of tiles at once; and what it refuses."""

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from model.exporting.checking import LEAST_EQUAL, Agreement, compare, random_values
from model.exporting.libraries import LIBRARIES
from model.trained import Trained
from tests.conftest import contents, error_line, picture
from tests.data.rasters.scene_files import numbers, write_raster
from tests.deepness import DeepnessModel, stitched
from tests.model.exporting.exported import (
    FOUR_RECORD,
    RGB_RECORD,
    assert_old_readers_take,
    need_libraries,
    random_network,
    torch_ids,
)
from tools import ExportSettings, export, export_network
from utils.digests import digest_of
from utils.runs.record import RunRecord


def write_run(folder: Path, record: RunRecord = RGB_RECORD) -> Path:
    folder.mkdir(exist_ok=True)
    torch.save(random_network(record).network.state_dict(), folder / "checkpoint400.pth")
    record.write(folder / "options.json")
    return folder


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("run"))
    digest = digest_of(folder / "checkpoint400.pth")
    kept = {"version": 1, "checkpoint": "checkpoint400.pth", "checkpoint_sha256": digest, "temperature": 2.0}
    (folder / "calibration.json").write_text(json.dumps(kept))
    return folder


@pytest.fixture(scope="module")
def trained(run_dir: Path) -> Trained:
    return Trained.open(run_dir, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def exported(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The file, and what the command said."""
    need_libraries()
    folder = tmp_path_factory.mktemp("exported")
    scene = write_raster(folder / "scene.tif", numbers(3, 50, 61))
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(str(word) for word in words)))
        options = ["--metres-per-pixel", "0.3", "--check-image", scene]
        assert exporting(run_dir, folder / "new" / "model.onnx", *options) == 0
    return folder / "new" / "model.onnx", "\n".join(said)


def words(run_dir: Path, out: Path, *options: object) -> list[str]:
    return [str(word) for word in ("--checkpoint-dir", run_dir, "--out", out, *options)]


def exporting(run_dir: Path, out: Path, *options: object) -> int:
    return export.main(words(run_dir, out, *options))


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_file_is_one_that_onnxruntime_1_17_reads(exported):
    path, _ = exported
    assert [other.name for other in path.parent.iterdir()] == ["model.onnx"]
    assert_old_readers_take(path.read_bytes(), ["batch", 3, 48, 48], ["batch", 3, 48, 48])


def test_it_says_what_deepness_reads(exported):
    metadata = DeepnessModel(exported[0]).metadata
    assert (metadata["tile_size"], metadata["tiles_size"], metadata["tiles_overlap"]) == (48, 48, 25)
    assert metadata["class_names"] == {"0": "field", "1": "forêt", "2": "water"}
    assert (metadata["resolution"], metadata["seg_thresh"]) == (30, 0)


def test_probabilities_are_those_at_the_fitted_temperature(exported, trained):
    path, said = exported
    values = random_values(trained.record.bands, 48, seed=5)
    assert compare(path.read_bytes(), trained, values, temperature=2.0).difference < 1e-4
    assert compare(path.read_bytes(), trained, values).difference > 1e-2
    assert "confidence at temperature 2.00" in said


def test_the_differences_are_printed(exported, trained):
    path, said = exported
    assert "exporting tiny of 3 classes for tiles of 48×48 pixels" in said
    for what in ("random values", "scene.tif"):
        (line,) = [line for line in said.splitlines() if f"{what}: " in line]
        assert "largest difference of a probability" in line
        assert line.endswith("same class in 100.000% of pixels")
    agreement = compare(path.read_bytes(), trained, random_values(trained.record.bands, 48, seed=5), 2.0)
    assert (agreement.difference < 1e-4, agreement.equal) == (True, 1)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("size", [(107, 130), (20, 31), (48, 49)])
def test_deepness_maps_bytes_as_torch_does(exported, trained, size, batch_size):
    layer = picture(4, size)
    found = DeepnessModel(exported[0]).map_of(layer, batch_size=batch_size)
    assert (found == stitched(layer, 48, 25, partial(torch_ids, trained))).mean() >= LEAST_EQUAL
    assert found.shape == size
    assert len(np.unique(found)) == 3


# --- what is refused, and what is warned of --------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that takes no time and needs no library."""
    monkeypatch.setattr(export, "require_libraries", lambda: None)
    monkeypatch.setattr(export, "to_onnx", lambda *_, **__: b"new")
    monkeypatch.setattr(export, "compare", lambda *_: Agreement(0.0, 1.0))


def test_without_the_libraries_the_error_says_how_to_install_them(run_dir, tmp_path, capsys, monkeypatch):
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)
    line = error_line(capsys, 2, export.main, words(run_dir, tmp_path / "model.onnx"))
    assert "onnx and onnxscript and onnxruntime cannot be imported" in line
    assert "make setup-export" in line


@pytest.mark.usefixtures("quick")
def test_a_file_that_is_there_stays_unless_overwrite_is_given(run_dir, tmp_path, capsys):
    out = tmp_path / "model.onnx"
    out.write_bytes(b"old")
    line = error_line(capsys, 2, export.main, words(run_dir, out))
    assert "is there already; give --overwrite" in line
    assert out.read_bytes() == b"old"
    assert exporting(run_dir, out, "--overwrite") == 0
    assert out.read_bytes() == b"new"


@pytest.mark.usefixtures("quick")
def test_a_network_that_differs_leaves_the_old_file(run_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, "compare", lambda *_: Agreement(0.02, 1.0))
    out = tmp_path / "model.onnx"
    out.write_bytes(b"old")
    before = contents(tmp_path)
    line = error_line(capsys, 1, export.main, words(run_dir, out, "--overwrite"))
    assert "does not compute what torch does: largest difference of a probability 2.0e-02" in line
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("out", "options", "code", "message"),
    [
        ("model.pth", [], 2, "expected a name that ends in .onnx"),
        ("folder.onnx", [], 2, "is a folder"),
        ("a.onnx", ["--checkpoint-dir", "absent"], 2, "--checkpoint-dir absent is not a folder"),
        ("a.onnx", ["--checkpoint-dir", "folder.onnx"], 2, "folder.onnx"),
        ("a.onnx", ["--tile-size", "8"], 2, "--tile-size"),
        ("a.onnx", ["--tiles-overlap", "91"], 2, "--tiles-overlap"),
        ("a.onnx", ["--metres-per-pixel", "0"], 2, "--metres-per-pixel"),
        ("a.onnx", ["--batch", "4"], 2, "--batch"),
        ("a.onnx", ["--backbone", "resnet11"], 2, "did you mean resnet101"),
        ("a.onnx", ["--backbone", "resnet18"], 1, "checkpoint400.pth"),
        ("a.onnx", ["--check-image", "absent.tif"], 2, "--check-image absent.tif is no file"),
        ("a.onnx", ["--check-image", "small.tif"], 1, "has 47×60 pixels, less than a tile of 48"),
        ("a.onnx", ["--check-image", "grey.tif"], 1, "has 1 bands, the network needs band 2"),
        ("scene.tif/a.onnx", [], 2, "scene.tif"),
    ],
)
def test_refusals_write_nothing(run_dir, tmp_path, capsys, monkeypatch, out, options, code, message):
    monkeypatch.chdir(tmp_path)
    Path("folder.onnx").mkdir()
    write_raster(Path("scene.tif"), numbers(3, 48, 60))
    write_raster(Path("small.tif"), numbers(3, 47, 60))
    write_raster(Path("grey.tif"), numbers(1, 48, 60))
    before = contents(tmp_path)
    assert message in error_line(capsys, code, export.main, words(run_dir, Path(out), *options))
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("quick")
def test_a_checkpoint_file_or_its_folder(run_dir, tmp_path, capsys):
    argv = ["--checkpoint", str(run_dir / "checkpoint400.pth"), "--out", str(tmp_path / "a.onnx")]
    assert export.main(argv) == 0
    argv = ["--checkpoint", str(run_dir / "checkpoint500.pth"), "--out", str(tmp_path / "b.onnx")]
    assert "checkpoint500.pth is no file" in error_line(capsys, 2, export.main, argv)
    lonely = tmp_path / "best.pth"
    lonely.write_bytes((run_dir / "checkpoint400.pth").read_bytes())
    argv = ["--checkpoint", str(lonely), "--out", str(tmp_path / "b.onnx")]
    assert "no options.json beside" in error_line(capsys, 2, export.main, argv)


def test_the_input_is_as_large_as_what_the_network_was_trained_on():
    """Whole tiles, which are larger here, would make worse maps."""
    settings = ExportSettings(Path("a.onnx"))
    assert export.tile_size(settings, RGB_RECORD) == 48
    cropped = replace(RGB_RECORD, options={"input_size": [32, 32]})
    assert cropped.crop == (32, 32)
    assert export.tile_size(settings, cropped) == 32


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("size", "message"), [(None, "how large its training crops or tiles were"), ((32, 48), "32×48 pixels")]
)
def test_tiles_that_are_not_square_or_unknown_need_a_size(tmp_path, capsys, size, message):
    run_dir = write_run(tmp_path / "run", replace(RGB_RECORD, tile_size=size))
    line = error_line(capsys, 2, export.main, words(run_dir, tmp_path / "a.onnx"))
    assert message in line
    assert "give --tile-size" in line
    assert exporting(run_dir, tmp_path / "a.onnx", "--tile-size", 32) == 0


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("known", "options", "warning"),
    [
        (None, [], "the run does not say how large a pixel is"),
        (10.0, ["--metres-per-pixel", "0.3"], "trained on pixels of 10 m, and --metres-per-pixel 0.3"),
        (10.0, ["--metres-per-pixel", "10.5"], ""),
        (10.0, [], ""),
    ],
)
def test_resolutions_that_are_unknown_or_differ_are_warned_of(tmp_path, capsys, known, options, warning):
    bands = replace(RGB_RECORD.bands, metres_per_pixel=known)
    run_dir = write_run(tmp_path / "run", replace(RGB_RECORD, bands=bands))
    assert exporting(run_dir, tmp_path / "a.onnx", *options) == 0
    said = capsys.readouterr().err
    assert warning in said
    assert bool(said) is bool(warning)


@pytest.mark.usefixtures("quick")
def test_what_only_a_mask_tells_is_warned_of(tmp_path, capsys):
    run_dir = write_run(tmp_path / "run", FOUR_RECORD)
    mask = np.ones((40, 40), bool)
    mask[:20] = False
    write_raster(tmp_path / "scene.tif", numbers(4, 40, 40, "uint16"), mask=mask)
    assert exporting(run_dir, tmp_path / "a.onnx", "--check-image", tmp_path / "scene.tif") == 0
    assert "of the middle of" in (said := capsys.readouterr().err)
    assert "an ONNX file cannot see that" in said


@pytest.mark.usefixtures("quick")
def test_the_job_takes_settings(run_dir, tmp_path):
    assert export_network(ExportSettings(tmp_path / "a.onnx", checkpoint_dir=run_dir, metres_per_pixel=1.0)) == 0
    assert (tmp_path / "a.onnx").read_bytes() == b"new"
    assert json.loads((run_dir / "options.json").read_text())["backbone"] == "tiny"
