"""Tiles, a run's checkpoints and its results, and how they are evaluated in words and by the shortest way."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score

from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tests.conftest import CUSTOM, TinySet, write_custom, write_list
from tools import auto_evaluate
from utils.imagery.images import normalise
from utils.runs.files import save_tensors

STEPS = (7, 30, 200)
PICTURES = ("miou.png", "classes.png", "confusion.png", "tiles.png", "scene.png", "reliability.png", "areas.png")


def save_generator(folder: Path, step: int, classes: int = 3) -> None:
    torch.manual_seed(step)
    save_tensors(folder / f"checkpoint{step}.pth", DeepLabV2(classes, "tiny").state_dict())


def write_run(folder: Path, steps: tuple[int, ...], classes: list[str] = CUSTOM["classes"]) -> Path:
    folder.mkdir()
    (folder / "options.json").write_text(json.dumps({"backbone": "tiny", "classes": classes}))
    for step in steps:
        save_generator(folder, step, len(classes))
    return folder


def write_plan(run: Path, **options: object) -> None:
    record = {"backbone": "tiny", "classes": CUSTOM["classes"], "options": options}
    (run / "options.json").write_text(json.dumps(record))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> TinySet:
    """Six tiles; lists of all, of the first four and of the other two."""
    tiny = write_custom(tmp_path_factory.mktemp("data") / "custom", count=6)
    write_list(tiny.folder / "val.txt", tiny.names[:4])
    write_list(tiny.folder / "test.txt", tiny.names[4:])
    return tiny


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    """A folder with checkpoints of steps 7, 30 and 200, a discriminator, and a file that is being written."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "run", STEPS)
    save_tensors(folder / "checkpoint200_D.pth", Discriminator(3).state_dict())
    (folder / ".checkpoint300.pth.1-ab.part").write_bytes((folder / "checkpoint200.pth").read_bytes()[:100])
    return folder


def argv(tiny: TinySet, run: Path, out: Path, *flags: str, calibrated: bool = False, **changes: object) -> list[str]:
    """The command's words; confidence is measured, which takes time, only where a test asks for it."""
    options = {
        "--dataset": tiny.dataset, "--data-dir": tiny.folder, "--data-list": tiny.list_path, "--checkpoint-dir": run,
        "--save-dir": out, "--input-size": "32,32", "--device": "cpu", "--precision": "fp32",
    } | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}  # fmt: skip
    return [
        *(str(part) for pair in options.items() for part in pair),
        *flags,
        *([] if calibrated else ["--no-calibration"]),
    ]


def rows_of(out: Path) -> dict[int, dict[str, str]]:
    return {int(row["step"]): row for row in csv.DictReader((out / "scores.csv").open())}


def summary_of(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text())


@pytest.fixture(scope="session")
def results(tiny, run, tmp_path_factory) -> Path:
    """The results of all three checkpoints, chosen on four tiles and tested on the other two."""
    out = tmp_path_factory.mktemp("results") / "out"
    lists = {"data_list": tiny.folder / "val.txt", "test_list": tiny.folder / "test.txt"}
    assert auto_evaluate.main(argv(tiny, run, out, "--all", calibrated=True, **lists)) == 0
    return out


def direct(run: Path, tiny: TinySet, step: int, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of all pixels, by the shortest way."""
    network = DeepLabV2(3, "tiny").eval()
    network.load_state_dict(torch.load(run / f"checkpoint{step}.pth", weights_only=True))
    truth, predictions = [], []
    for name in names:
        image = np.array(Image.open(tiny.folder / "images" / f"{name}.png"))
        with torch.inference_mode():
            logits = network(normalise(torch.from_numpy(image).permute(2, 0, 1)[None] / 255))
        predictions.append(logits.argmax(dim=1).numpy())
        truth.append(np.array(Image.open(tiny.folder / "masks" / f"{name}.png"))[None])
    return np.concatenate(truth).ravel(), np.concatenate(predictions).ravel()


def score_of(run: Path, tiny: TinySet, step: int) -> float:
    truth, prediction = direct(run, tiny, step, tiny.names)
    return float(jaccard_score(truth, prediction, average="macro"))
