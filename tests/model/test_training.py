"""A training run from Python: plain tensors, a folder and callables; no data set, no command."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from data.batches.samples import SegmentationSample
from data.batches.strong_views import PartnerTile, ViewedSample
from model.methods import build_method, method_name
from model.methods.method import Method
from model.methods.settings import (
    FixMatchSettings,
    MethodSettings,
    S4GANSettings,
    SupervisedSettings,
    UniMatchSettings,
)
from model.networks.deeplabv2 import DeepLabV2
from model.training import TrainingRun
from tests.plain_consistency import make_views
from utils.errors import DataError, OptionError
from utils.runs.folder import RunFolder
from utils.runs.log import read_rows
from utils.runs.record import RunRecord, read_record
from utils.runs.settings import KeepingSettings
from utils.settings import SettingsError

S4GAN = S4GANSettings(3, threshold_st=0.0, st_start=0)
RECORD = RunRecord("tiny", ("field", "forest", "water"), ((0, 0, 0),) * 3, options={"num_steps": 3, "log_every": 1})
NAMES: Mapping[str, list[str]] = {"labelled": ["a", "b"], "unlabelled": ["c", "d"]}


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.training.plot_curves", lambda *_: None)


def batch(seed: int) -> SegmentationSample:
    rng = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=rng)
    mask = torch.randint(0, 3, (2, 32, 32), dtype=torch.uint8, generator=rng)
    return SegmentationSample(image, mask, torch.tensor([[32, 32]] * 2), torch.arange(2))  # type: ignore[arg-type]


def unlabelled_batch(method: Method, seed: int) -> Any:
    """Two tiles as the method takes them: with a partner and views, or as they are, or none."""
    if not method.views:
        return batch(seed) if method.unlabelled_batches else None
    partner = PartnerTile(*batch(seed + 5)[::2])
    views = make_views(seed, len(method.views), [[(2, 3, 9, 20)] * 2] * 2)
    return ViewedSample(*batch(seed), partner, views, torch.arange(2))  # type: ignore[arg-type]


def method_of(settings: MethodSettings) -> Method:
    torch.manual_seed(0)
    return build_method(settings, DeepLabV2(3, "tiny"), "cpu")


def train(
    folder: Path,
    settings: MethodSettings = S4GAN,
    until: int = 3,
    resume: bool = False,
    record: RunRecord = RECORD,
    labelled: tuple[str, ...] = ("a", "b"),
    validate: Callable[[], float | None] | None = None,
    draw: Callable[[int], Image.Image] | None = None,
    **keeping: int,
) -> TrainingRun:
    method = method_of(settings)
    kept = KeepingSettings(folder, **{"save_pred_every": 1, "save_state_every": 2, "log_every": 1, **keeping})
    files = RunFolder(folder)
    with files.claim(resume):
        run = TrainingRun(files, method, kept, record, labelled, lambda step: NAMES, validate, draw)
        for step in range(run.resume() if resume else run.begin(), until):
            unlabelled = unlabelled_batch(method, 10 + step)
            run.after_step(step + 1, method.train_step(batch(step), unlabelled, step))
        run.finish(until)
    return run


def weights(path: Path) -> dict[str, Tensor]:
    return torch.load(path, weights_only=True)


def test_a_run_leaves_its_networks_state_record_and_log(tmp_path: Path):
    scores, drawn = iter((0.2, 0.5, 0.4)), []

    def draw(step: int) -> Image.Image:
        drawn.append(step)
        return Image.fromarray(np.zeros((8, 8, 3), np.uint8))

    run = train(tmp_path / "run", validate=lambda: next(scores), draw=draw, eval_every=1)
    assert (run.best_score, run.best_step, drawn) == (0.5, 2, [2, 3])
    names = {path.name for path in (tmp_path / "run").glob("*.pth")}
    assert names == {f"checkpoint{n}{end}.pth" for n in (1, 2, 3) for end in ("", "_D")} | {"last.pth", "best.pth"}
    best, second = weights(tmp_path / "run" / "best.pth"), weights(tmp_path / "run" / "checkpoint2.pth")
    assert all(torch.equal(tensor, second[name]) for name, tensor in best.items())
    assert read_record(tmp_path / "run" / "options.json").options == RECORD.options
    rows = read_rows(tmp_path / "run" / "metrics.csv")
    assert [(row["step"], row["val_mean_iou"]) for row in rows] == [("1", "0.2"), ("2", "0.5"), ("3", "0.4")]
    shares = [sum(float(row[f"pseudo {name}"]) for name in RECORD.classes) for row in rows]
    assert shares == pytest.approx([1, 1, 1], abs=1e-5)
    assert (tmp_path / "run" / "tiles.png").is_file()


@pytest.mark.parametrize(
    "settings",
    [S4GAN, SupervisedSettings(3), FixMatchSettings(3, pseudo_threshold=0.3), UniMatchSettings(3, ema=0.9)],
    ids=method_name,
)
def test_resumed_it_ends_as_if_nothing_had_been(tmp_path: Path, settings: MethodSettings):
    train(tmp_path / "whole", settings)
    train(tmp_path / "parts", settings, until=2)
    train(tmp_path / "parts", settings, resume=True)
    for path in (tmp_path / "whole").glob("checkpoint*.pth"):
        parts = weights(tmp_path / "parts" / path.name)
        assert all(torch.equal(tensor, parts[name]) for name, tensor in weights(path).items()), path.name


def test_a_teacher_is_kept_with_its_student_and_is_the_best_network(tmp_path: Path):
    scores = iter((0.3, 0.2, 0.1))
    run = train(tmp_path, FixMatchSettings(3), validate=lambda: next(scores), eval_every=1, keep_last=1)
    assert {path.name for path in tmp_path.glob("checkpoint*")} == {
        f"checkpoint{step}{ending}.pth" for step in (1, 3) for ending in ("", "_student")
    }
    kept = {name: weights(tmp_path / name) for name in ("best.pth", "checkpoint1.pth", "checkpoint3.pth")}
    name = "backbone.conv1.weight"
    assert torch.equal(kept["best.pth"][name], kept["checkpoint1.pth"][name])
    assert torch.equal(kept["checkpoint3.pth"][name], run.method.evaluated.state_dict()[name])
    assert torch.equal(weights(tmp_path / "checkpoint3_student.pth")[name], run.method.generator.state_dict()[name])
    assert not torch.equal(kept["checkpoint3.pth"][name], run.method.generator.state_dict()[name])
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("*.pth")}
    space = run.checkpoints._space
    assert sizes["checkpoint3.pth"] + sizes["checkpoint3_student.pth"] == pytest.approx(space.checkpoint, rel=0.05)
    assert sizes["last.pth"] == pytest.approx(space.state, rel=0.05)


def test_a_run_is_resumed_with_its_own_settings_and_tiles(tmp_path: Path):
    train(tmp_path / "run", until=1)
    with pytest.raises(OptionError, match="num_steps was 3 and is 4"):
        train(tmp_path / "run", resume=True, record=replace(RECORD, options={"num_steps": 4}))
    with pytest.raises(DataError, match="differs from the tiles labelled now"):
        train(tmp_path / "run", resume=True, labelled=("b", "a"))
    train(tmp_path / "run", resume=True, record=replace(RECORD, options={"num_steps": 3, "log_every": 9}))


def test_losses_that_are_not_finite_name_the_tiles_of_their_step(tmp_path: Path):
    with pytest.raises(DataError, match=r"step 2 were not finite \(tiles: labelled a, b; unlabelled c, d\)"):
        train(tmp_path / "run", replace(S4GAN, learning_rate=1e30))


def test_a_run_is_not_resumed_as_one_of_another_method(tmp_path: Path):
    settings = SupervisedSettings(3)
    train(tmp_path / "run", settings, until=1, record=replace(RECORD, method="other"))
    with pytest.raises(OptionError, match="another method: it was other and is supervised; give the same one"):
        train(tmp_path / "run", settings, resume=True, record=replace(RECORD, method="supervised"))


def test_pseudo_labels_of_a_method_that_makes_none_are_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="save_viz writes pseudo-labels, and the method supervised makes none"):
        train(tmp_path / "run", SupervisedSettings(3), save_viz=True)
    assert not (tmp_path / "run").exists()
