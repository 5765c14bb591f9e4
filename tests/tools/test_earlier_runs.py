"""A run folder and a data set that were made before formats had versions still evaluate and predict.

`fixtures/run_v1` holds what the program wrote then: a set cut from drawn scenes, the options of a run, the names and
shapes of its checkpoint's tensors; and the scores and maps that the program of that time made of the weights below.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tools import auto_evaluate, predict

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "run_v1"


def drawn_weights() -> dict[str, Tensor]:
    """Weights for each tensor of the checkpoint, by its place."""
    weights: dict[str, Tensor] = {}
    for place, (name, (dtype, shape)) in enumerate(json.loads((FIXTURE / "state_dict.json").read_text()).items()):
        generator = torch.Generator().manual_seed(place)
        is_norm = "bn" in name or "downsample.1" in name
        if dtype == "int64":
            weights[name] = torch.zeros(shape, dtype=torch.int64)
        elif name.endswith("running_var") or (is_norm and name.endswith("weight")):
            weights[name] = 0.5 + torch.rand(shape, generator=generator)
        else:
            scale = 0.1 if len(shape) < 4 else (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
            weights[name] = torch.randn(shape, generator=generator) * scale
    return weights


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier") / "run"
    shutil.copytree(FIXTURE / "run", folder)
    torch.save(drawn_weights(), folder / "checkpoint2.pth")
    return folder


def test_it_predicts_the_maps_that_it_predicted_then(run_folder: Path, tmp_path: Path):
    options = ["--checkpoint-dir", run_folder, "--images", FIXTURE / "scenes", "--save-dir", tmp_path, "--ids-only"]
    assert predict.main([*map(str, options), "--device", "cpu", "--precision", "fp32"]) == 0
    for expected in sorted((FIXTURE / "ids").glob("*.png")):
        now, then = np.array(Image.open(tmp_path / "ids" / expected.name)), np.array(Image.open(expected))
        assert (now == then).mean() > 0.995  # another processor may round a tie the other way


def test_it_scores_what_it_scored_then(run_folder: Path, tmp_path: Path):
    data = ["--dataset", "custom", "--data-dir", FIXTURE / "set", "--data-list", FIXTURE / "set" / "test.txt"]
    options = ["--all", *data, "--checkpoint-dir", run_folder, "--save-dir", tmp_path, "--input-size", "32,32"]
    machine = ["--no-cache", "--device", "cpu", "--precision", "fp32"]
    assert auto_evaluate.main([*map(str, options), *machine]) == 0
    now = json.loads((tmp_path / "best_scores_2.json").read_text())
    then = json.loads((FIXTURE / "best_scores.json").read_text())
    assert now["Class IoU"].keys() == then["Class IoU"].keys()
    assert now["Mean IoU"] == pytest.approx(then["Mean IoU"], abs=0.005)
    assert now["Pixel Accuracy"] == pytest.approx(then["Pixel Accuracy"], abs=0.005)
