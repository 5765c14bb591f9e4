"""Validation while training: it scores what an evaluation of the same checkpoint does."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from model.networks.deeplabv2 import DeepLabV2
from tests.conftest import TinySet, write_custom, write_image, write_overlapping
from tests.tools.train_s4gan.conftest import options, rows_of, run
from tools import auto_evaluate
from utils.evaluation import views


def evaluated(tiny: TinySet, folder: Path, *options: str) -> dict[str, str]:
    """The line of scores.csv that auto_evaluate writes of the one checkpoint in `folder / "run"`."""
    evaluation = {
        "dataset": "custom", "data-dir": tiny.folder, "data-list": tiny.list_path, "checkpoint-dir": folder / "run",
        "save-dir": folder / "scores", "device": "cpu", "precision": "fp32",
    }  # fmt: skip
    words = [str(part) for name, value in evaluation.items() for part in (f"--{name}", value)]
    assert auto_evaluate.main([*words, "--all", *options]) == 0
    with (folder / "scores" / "scores.csv").open() as file:
        (scores,) = csv.DictReader(file)
    return scores


def validation_of(out: Path) -> list[str]:
    return [row["val_mean_iou"] for row in rows_of(out)]


def test_validation_scores_a_pixel_in_several_tiles_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """As evaluation does, and other than where nobody knows that tiles overlap."""
    tiny = write_overlapping(tmp_path / "custom")
    changes = {"data_list": tiny.list_path, "val_list": tiny.list_path, "num_steps": 1, "eval_every": 1}
    run(options(tiny, tmp_path / "run", "--supervised-only", **changes))
    assert f"4 of 4 tiles of {tiny.list_path} overlap" in capsys.readouterr().out
    scores = evaluated(tiny, tmp_path, "--input-size", "32,32")
    (validated,) = validation_of(tmp_path / "run")
    assert float(validated) == pytest.approx(float(scores["mean_iou"]), abs=1e-6)
    (tiny.folder / "tiles.csv").unlink()
    run(options(tiny, tmp_path / "whole", "--supervised-only", **changes))
    assert validation_of(tmp_path / "whole") != [validated]


@pytest.mark.parametrize(("size", "given", "expected"), [
    ((80, 70), {}, (2, 32, 32)),  # windows, of no more pixels than two crops
    ((80, 70), {"val_batch_size": 5}, (3, 32, 32)),  # as many as lie beside one another
    ((30, 24), {"val_batch_size": 3}, (3, 32, 32)),
    ((30, 24), {}, (2, 32, 32)),
])  # fmt: skip
def test_validation_has_a_batch_size_and_reads_large_tiles_in_windows_as_evaluation_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], given: dict, expected: tuple[int, int, int]
):
    tiny = write_custom(tmp_path / "custom", size=size)
    network_input, seen = views.network_input, []

    def watched(images: Tensor, *rest: Any) -> Tensor:
        seen.append((len(images), *images.shape[2:]))
        return network_input(images, *rest)

    changes = {"data_list": tiny.list_path, "val_list": tiny.list_path, "num_steps": 1, "eval_every": 1} | given
    with monkeypatch.context() as patched:
        patched.setattr(views, "network_input", watched)
        run(options(tiny, tmp_path / "run", "--supervised-only", **changes))
    assert max(seen) == expected
    scores = evaluated(tiny, tmp_path)
    (validated,) = validation_of(tmp_path / "run")
    assert float(validated) == pytest.approx(float(scores["mean_iou"]), abs=1e-6)


def test_validation_leaves_out_the_ignored_label_and_names_tiles_that_were_learned_from(
    own_tiles: TinySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Ignored by its id, or marked 255 in the masks: the same validation."""
    changes = {"val_list": own_tiles.list_path, "num_steps": 1, "labeled_ratio": "0.3"}
    run(options(own_tiles, tmp_path / "by id", ignore_label=1, **changes))
    said = capsys.readouterr().err
    assert f"warning: 3 of 14 tiles of {own_tiles.list_path} were labelled training tiles of this run" in said
    run(options(own_tiles, tmp_path / "all", **changes))
    for name in own_tiles.names:
        path = own_tiles.folder / "masks" / f"{name}.png"
        ids = np.array(Image.open(path))
        ids[ids == 1] = 255
        write_image(path, ids)
    run(options(own_tiles, tmp_path / "marked", **changes))
    assert validation_of(tmp_path / "by id") == validation_of(tmp_path / "marked")
    assert validation_of(tmp_path / "by id") != validation_of(tmp_path / "all")


def test_a_validation_of_maps_that_are_not_finite_chooses_nothing(
    training_tiles: TinySet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    forward = DeepLabV2.forward
    monkeypatch.setattr(DeepLabV2, "forward", lambda self, x: forward(self, x) * (1 if self.training else math.nan))
    flags = {"val_list": training_tiles.folder / "val.txt", "eval_every": 1}
    run(options(training_tiles, tmp_path / "run", "--supervised-only", **flags))
    assert "not validated: the network's output is NaN or infinite" in capsys.readouterr().err
    assert validation_of(tmp_path / "run") == ["", ""]
    assert not (tmp_path / "run" / "best.pth").exists()
