"""Options with values out of range, of the wrong type or misspelt, and options that contradict one another."""

import pytest

from tests.conftest import PUBLISHED, error_line, main_of
from tools import prepare_data

NOT_A_SHARE = ["0", "-0.1", "1.01", "nan", "inf", "x", "", "0,05", "5%", "1e999", "sNaN", "1e-9999999"]
NOT_A_SIZE = ["320", "0,0", "320x320", "32,-32", "32,32,32", "32,", "a,b", "1e2,32", "99999,32", ""]
NOT_A_COUNT = ["0", "-1", "1.5", "x", "", "1e3", "9" * 5000]
BAD_OPTIONS = [
    *(("train_AL", name, value, "above 0") for name in ("labeled_ratio", "alpha", "beta") for value in NOT_A_SHARE),
    *(("train_s4gan", "labeled_ratio", value, "above 0") for value in NOT_A_SHARE),
    *(("train_s4gan", "threshold_st", v, "at most 1") for v in ("-0.1", "1.5", "nan", "inf", "x", "")),
    *((command, "input_size", value, "height,width") for command in PUBLISHED for value in NOT_A_SIZE),
    *(("train_s4gan", "num_steps", value, "whole number") for value in NOT_A_COUNT),
    *(("train_AL", "num_epochs", value, "whole number") for value in NOT_A_COUNT[:3]),
    *(("auto_evaluate", name, "0", "whole number") for name in ("start_eval", "end_eval", "step_eval")),
    ("auto_evaluate", "start_eval", "2", "lies before"),
    *((command, "batch_size", "0", "whole number") for command in PUBLISHED),
    *((command, "batch_size", value, "from 1 to 65536") for command in PUBLISHED for value in ("1000000000", "65537")),
    ("train_AL", "score_batch_size", "1000000000", "from 1 to 65536"),
    ("train_AL", "dropout_passes", "1000000000", "from 2 to 1000"),
    ("train_AL", "labeled_ratio", "0." + "1" * 300, "at most 20 characters"),
    ("auto_evaluate", "end_eval", "2000000000", "2000000000 checkpoints, and 1000000 are the most"),
    ("auto_evaluate", "crf_iterations", "1000000000", "from 0 to 1000"),
    *((command, "num_workers", "-1", "whole number") for command in PUBLISHED),
    *((command, "random_seed", "-1", "whole number") for command in PUBLISHED),
    *((command, "dataset", "costum", "did you mean custom") for command in PUBLISHED),
    *((command, "device", "cdua", "did you mean cuda") for command in PUBLISHED),
    *((command, "precision", "fp8", "fp8") for command in PUBLISHED),
    *((command, "num_classes", "7", "contradicts") for command in PUBLISHED),
    *((command, "data_dir", "/nowhere", "not a folder") for command in PUBLISHED),
    *((command, "data_dir", "/dev/null", "not a folder") for command in PUBLISHED),
    *((command, "learn_rate", "1", "--learn-rate") for command in PUBLISHED),
    ("train_AL", "query_strategy", "margn", "did you mean margin"),
    ("train_AL", "model_name", "resnet5", "did you mean resnet"),
    ("train_AL", "learning_rate", "0", "above 0"),
    ("train_AL", "momentum", "-0.5", "at least 0"),
    ("train_AL", "classifier_weights", "/nowhere.pth", "does not exist"),
    ("train_s4gan", "backbone", "resnet11", "did you mean resnet101"),
    ("train_s4gan", "threshold_st", None, "--threshold-st"),
    ("train_s4gan", "learning_rate", "-1", "above 0"),
    ("train_s4gan", "learning_rate_D", "nan", "above 0"),
    ("train_s4gan", "lambda_fm", "-1", "at least 0"),
    ("train_s4gan", "ignore_label", "256", "from 0 to 255"),
    ("train_s4gan", "save_pred_every", "0", "whole number"),
    ("train_s4gan", "accumulate", "2", "does not divide"),
    ("train_s4gan", "restore_from", "/nowhere.pth", "does not exist"),
    ("train_s4gan", "restore_from_D", "/nowhere.pth", "has no discriminator"),
    ("train_s4gan", "labeled_ratio", "-inf", "expected one argument"),
    ("train_s4gan", "input_size", "-32,32", "expected one argument"),
    ("train_s4gan", "val_list", "/nowhere.txt", "no list of names"),
    ("train_s4gan", "active_learning", True, "--active-learning-images-array"),
    ("train_s4gan", "active_learning_images_array", "names.npy", "--active-learning"),
    ("train_s4gan", "resume", True, "no run to resume"),
    ("auto_evaluate", "checkpoint_dir", "/nowhere", "not a folder"),
    ("auto_evaluate", "end_eval", "x", "whole number"),
]


@pytest.mark.parametrize(("command", "name", "value", "words"), BAD_OPTIONS)
def test_option_is_refused(argv, refused, custom_set, command, name, value, words):
    assert words in refused(2, command, argv(command, custom_set, **{name: value}))


INTEGERS = [(command, name) for command, names in {
    "train_AL": "num_classes random_seed num_workers num_epochs batch_size score_batch_size dropout_passes",
    "train_s4gan": "num_classes random_seed num_workers ignore_label batch_size accumulate num_steps st_start "
    "save_pred_every save_state_every keep_last eval_every log_every save_after_iter",
    "auto_evaluate": "num_classes random_seed num_workers start_eval end_eval step_eval gpu batch_size resamples "
    "crf_iterations",
}.items() for name in names.split()]  # fmt: skip


@pytest.mark.parametrize(("command", "name"), INTEGERS)
@pytest.mark.parametrize("value", ["2.5", "1e3", "9" * 30, "9" * 5000, "٣.٥", ""])
def test_a_fractional_or_huge_number_is_refused_in_every_integer_option(argv, capsys, custom_set, command, name, value):
    line = error_line(capsys, 2, main_of(command), argv(command, custom_set, **{name: value}))
    assert "expected a whole number" in line
    assert len(line) < 200


@pytest.mark.parametrize(
    ("command", "name"),
    [("train_s4gan", "batch_size"), ("train_AL", "score_batch_size"), ("auto_evaluate", "batch_size")],
)
def test_a_batch_larger_than_the_memory_is_refused(argv, refused, custom_set, command, name):
    line = refused(2, command, argv(command, custom_set, **{name: 65536, "input_size": "16384,16384"}))
    assert "GB of memory; lower it, or --input-size" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "SOURCE"),
        (["demmo"], "demmo"),
        (["demo"], "--out"),
        (["demo", "--out", "x", "--tiles-per-class", "0"], "whole number"),
        (["demo", "--out", "x", "--test-share", "1"], "at most 0.9"),
        (["demo", "--out", "x", "--tiles-per-clas", "2"], "did you mean --tiles-per-class"),
        (["ucm", "--images", "/nowhere", "--out", "x"], "/nowhere"),
        (["deepglobe", "--source", "/nowhere", "--out", "x"], "/nowhere"),
        (["scenes", "--images", "/nowhere", "--classes", "a,b", "--out", "x"], "/nowhere"),
        (["scenes", "--images", ".", "--out", "x"], "--palette"),
        (["scenes", "--images", ".", "--classes", "a,b", "--group", "(", "--out", "x"], "regular expression"),
        (["scenes", "--images", ".", "--classes", "a,b", "--stride", "400", "--out", "x"], "leave gaps"),
        (["scenes", "--images", ".", "--classes", "a,b", "--tile-size", "0", "--out", "x"], "whole number"),
    ],
)
def test_preparing_refuses_options(capsys, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    assert words in error_line(capsys, 2, prepare_data.main, options)
    assert not list(tmp_path.iterdir())
