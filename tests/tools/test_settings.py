import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import model
import tools
import utils.runs
from data.settings import DataSettings, LabelledSettings, MapSourceSettings, SampleSettings
from model.methods.settings import MethodSettings, S4GANSettings, SupervisedSettings
from model.settings import LearnerSettings, NetworkSettings
from tools.settings.learning import SelectionSettings, TrainingSettings
from tools.settings.maps import EvaluationSettings, PredictionSettings
from utils.evaluation.settings import RangeSettings
from utils.runs.settings import FolderSettings, KeepingSettings, MachineSettings
from utils.selection.settings import QuerySettings
from utils.settings import SettingsError, as_plain

ROOT = Path(__file__).resolve().parents[2]
DATA = DataSettings("ucm", Path("data"), Path("data/train.txt"))


def test_a_job_is_one_flat_table_whose_names_are_those_of_the_options():
    table = as_plain(TrainingSettings(DATA, S4GANSettings(200, threshold_st=0.6)))
    assert table["threshold_st"] == 0.6
    assert table["checkpoint_dir"] == "checkpoint"
    assert table["input_size"] == [320, 320]
    selection = as_plain(SelectionSettings(DATA, query=QuerySettings(labeled_ratio=Decimal("0.10"))))
    assert selection["labeled_ratio"] == "0.10"
    assert (selection["batch_size"], selection["random_seed"]) == (4, 360)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: S4GANSettings(200, threshold_st=2), "s4gan needs threshold_st, a number of 0 to 1 such as 0.6"),
        (lambda: LabelledSettings(active_learning=True), "active_learning needs active_learning_images_array"),
        (lambda: LabelledSettings(active_learning_images_array=Path("n.npy")), "is used with active_learning only"),
        (lambda: FolderSettings(resume=True, overwrite=True), "resume goes on with a run and overwrite replaces it"),
        (
            lambda: TrainingSettings(DATA, SupervisedSettings(9, accumulate=3), samples=SampleSettings(batch_size=8)),
            "accumulate 3 does not divide batch_size 8",
        ),
        (
            lambda: TrainingSettings(DATA, SupervisedSettings(9), network=NetworkSettings(restore_from_D="d.pth")),
            "restore_from_D: the method supervised has no discriminator; leave it out",
        ),
        (
            lambda: TrainingSettings(DATA, SupervisedSettings(9), keeping=KeepingSettings(save_viz=True)),
            "save_viz writes pseudo-labels, and the method supervised makes none; leave it out",
        ),
        (lambda: TrainingSettings(DATA, MethodSettings(9)), "unknown training method 'MethodSettings'"),
        (
            lambda: SelectionSettings(DATA, query=QuerySettings(stop_at_accuracy=0.9)),
            "stop_at_accuracy needs val_list",
        ),
        (lambda: QuerySettings(alpha=Decimal(0)), "alpha is 0, expected a number above 0 and at most 1"),
        (lambda: SampleSettings(batch_size=0), "batch_size is 0, expected 1 or more"),
    ],
)
def test_contradictions_are_refused_in_words_of_fields(make, message: str):
    with pytest.raises(SettingsError, match=message):
        make()


def test_s4gan_has_no_threshold_unless_one_is_given():
    with pytest.raises(TypeError, match="threshold_st"):
        S4GANSettings(200)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NetworkSettings("resnet11"), "unknown backbone 'resnet11'; did you mean resnet101"),
        (lambda: LearnerSettings("vgg61"), "unknown network 'vgg61'; did you mean vgg"),
        (lambda: LearnerSettings(momentum=2), "momentum is 2, expected a number of at least 0 and at most 1"),
        (lambda: QuerySettings("least confidence"), "did you mean least_confidence"),
        (lambda: MachineSettings(precision="float16"), "unknown precision 'float16'; did you mean fp16"),
        (lambda: MachineSettings("gpu"), "unknown device 'gpu'"),
        (lambda: DataSettings("ucn", "x", "x/train.txt"), r"unknown dataset 'ucn'; did you mean ucm\?"),
        (lambda: LabelledSettings(1.5), "labeled_ratio is 1.5, expected a number above 0 and at most 1"),
        (lambda: KeepingSettings(keep_last=0), "keep_last is 0, expected 1 or more"),
        (lambda: SampleSettings(batch_size=2.5), "batch_size is 2.5, expected a whole number"),
        (lambda: SampleSettings(128), "input_size is 128, expected height and width"),
        (lambda: EvaluationSettings(DATA, range=RangeSettings(backbone="tini")), "unknown backbone 'tini'"),
        (lambda: PredictionSettings(MapSourceSettings("x"), backbone="tini"), "unknown backbone 'tini'"),
    ],
)
def test_names_and_numbers_are_checked_as_by_the_commands(make, message: str):
    with pytest.raises(SettingsError, match=message):
        make()


def test_paths_may_be_text():
    assert DataSettings("ucm", "data", "data/train.txt", cache_dir="c") == DataSettings(
        "ucm", Path("data"), Path("data/train.txt"), cache_dir=Path("c")
    )
    assert KeepingSettings("runs/x") == KeepingSettings(Path("runs/x"))
    assert SelectionSettings(DATA, "val.txt", save_dir="s") == SelectionSettings(
        DATA, Path("val.txt"), save_dir=Path("s")
    )
    assert PredictionSettings(MapSourceSettings("x"), "a.pth").checkpoint == Path("a.pth")
    assert NetworkSettings(restore_from=Path("w.pth")).restore_from == "w.pth"


def test_the_package_offers_the_jobs_and_what_does_them():
    script = "import sys, tools; assert 'torch' not in sys.modules; print(tools.train, tools.make_maps)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for package in (tools, model, utils.runs):
        assert all(getattr(package, name) is not None for name in package.__all__)


@pytest.mark.parametrize("job", [EvaluationSettings(DATA), PredictionSettings(MapSourceSettings(Path("scenes")))])
def test_evaluation_and_prediction_are_flat_tables_too(job):
    table = as_plain(job)
    assert table["flip"] is False
    assert table["checkpoint_dir"] == "checkpoint"
    assert table["crf"] is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"eval_size": "image"}, "eval_size is 'image', expected tile or file"),
        ({"resamples": 9}, "resamples is 9, expected 100 or more"),
        ({"ignore_label": 256}, "ignore_label is 256"),
        ({"batch_size": 0}, "batch_size is 0, expected 1 or more"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(given, message: str):
    with pytest.raises(SettingsError, match=message):
        EvaluationSettings(DATA, **given)
