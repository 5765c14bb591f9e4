"""The three commands, one after the other, on a few drawn tiles; and what they say to usual mistakes."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from data.decoding.masks import read_mask
from data.demo.demo_set import draw_demo
from data.descriptions import UCM
from model.networks.deeplabv2 import DeepLabV2
from tests.conftest import error_line
from tools import auto_evaluate, train_AL, train_s4gan
from utils.runs.files import write_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def demo_set(tmp_path_factory):
    """Two tiles of each scene class: 42 in UCM's layout, the last 10 as the test list."""
    folder = tmp_path_factory.mktemp("demo")
    names = draw_demo(folder, tiles_per_class=2, seed=0)
    write_names(folder / "all.txt", names)
    write_names(folder / "train.txt", names[:32])
    write_names(folder / "test.txt", names[32:])
    return folder


def learner_options(demo_set, out, **changes):
    options = {
        "--dataset-name": "UCM", "--data-dir": demo_set, "--data-list": demo_set / "train.txt",
        "--labeled-ratio": "0.2", "--alpha": "0.3", "--beta": "1.0",
        "--model-name": "tiny", "--num-epochs": 1, "--input-size": "64,64",
        "--save-dir": out, "--device": "cpu", "--precision": "fp32",
    } | changes  # fmt: skip
    return [str(part) for pair in options.items() for part in pair if part is not None]


def s4gan_options(demo_set, out, **changes):
    options = {
        "--dataset": "ucm", "--data-dir": demo_set, "--data-list": demo_set / "train.txt", "--threshold-st": "0.4",
        "--backbone": "tiny", "--restore-from": "none", "--num-steps": 2, "--batch-size": 2, "--input-size": "64,64",
        "--save-pred-every": 1, "--checkpoint-dir": out, "--device": "cpu", "--precision": "fp32",
    } | changes  # fmt: skip
    return [str(part) for pair in options.items() for part in pair if part is not None]


def evaluation_options(demo_set, checkpoints, out, **changes):
    options = {
        "--dataset": "ucm", "--data-dir": demo_set, "--data-list": demo_set / "test.txt",
        "--checkpoint-dir": checkpoints, "--start-eval": 1, "--end-eval": 2, "--step-eval": 1,
        "--input-size": "256,256", "--save-dir": out,
        "--device": "cpu", "--precision": "fp32",
    } | changes  # fmt: skip
    return [str(part) for pair in options.items() for part in pair if part is not None]


@pytest.fixture(scope="session")
def chosen(demo_set, tmp_path_factory):
    out = tmp_path_factory.mktemp("active_learning")
    assert train_AL.main(learner_options(demo_set, out)) == 0
    return out / "UCM" / "margin_names_0.2_0.3_1.0.npy"


@pytest.fixture(scope="session")
def trained(demo_set, chosen, tmp_path_factory):
    out = tmp_path_factory.mktemp("checkpoint")
    options = s4gan_options(demo_set, out, **{"--active-learning-images-array": chosen})
    assert train_s4gan.main([*options, "--active-learning"]) == 0
    return out


# --- train_AL.py -----------------------------------------------------------------------------------------------------


def test_learner_writes_names_and_probabilities_of_the_queried_tiles(demo_set, chosen):
    names = np.load(chosen, allow_pickle=False)
    probabilities = np.load(str(chosen).replace("_names_", "_probs_"), allow_pickle=False)
    train_names = (demo_set / "train.txt").read_text().split()
    assert names.dtype.kind == "U"
    assert len(names) == len(probabilities) == 7  # ceil(0.2 · 32)
    assert len(set(names)) == 7
    assert set(names) <= set(train_names)
    assert ((probabilities > 0) & (probabilities <= 1)).all()


def test_learner_records_its_rounds(chosen):
    folder = chosen.parent / "margin_0.2_0.3_1.0_seed360"
    selection = json.loads((folder / "selection.json").read_text())
    assert len(selection["initial_pool"]) == 2  # floor(0.3 · 7)
    assert [len(r["names"]) for r in selection["rounds"]] == [2, 2, 2, 1]
    assert (folder / "selected.txt").read_text().split() == list(np.load(chosen, allow_pickle=False))
    assert not set(selection["initial_pool"]) & set((folder / "selected.txt").read_text().split())
    assert (folder / "chosen.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "options.json").read_text())["labeled_ratio"] == "0.2"


def test_learner_same_seed_same_selection_for_any_workers_and_cache(demo_set, chosen, tmp_path):
    options = learner_options(demo_set, tmp_path, **{"--num-workers": 2})
    assert train_AL.main([*options, "--no_cache"]) == 0
    again = np.load(tmp_path / "UCM" / chosen.name, allow_pickle=False)
    assert again.tolist() == np.load(chosen, allow_pickle=False).tolist()


@pytest.mark.parametrize("strategy", ["entropy", "random"])
def test_learner_other_strategies(demo_set, tmp_path, strategy):
    options = learner_options(demo_set, tmp_path, **{"--query-strategy": strategy, "--beta": "0.5"})
    assert train_AL.main([*options, "--include-initial-pool", "--random-scale", "--random_mirror"]) == 0
    names = np.load(tmp_path / "UCM" / f"{strategy}_names_0.2_0.3_0.5.npy", allow_pickle=False)
    assert len(set(names)) == 7


def test_learner_prints_a_next_command_that_runs(demo_set, tmp_path, capsys):
    assert train_AL.main(learner_options(demo_set, tmp_path)) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("python ")]
    command = line.split()
    assert command[:2] == ["python", "tools/train_s4gan.py"]
    small = ["--backbone", "tiny", "--restore-from", "none", "--num-steps", "1", "--batch-size", "1"]
    out = ["--input-size", "64,64", "--checkpoint-dir", str(tmp_path / "run")]
    assert train_s4gan.main([*command[2:], *small, *out]) == 0


# --- train_s4gan.py --------------------------------------------------------------------------------------------------


def test_s4gan_writes_checkpoints_under_their_published_names(trained, chosen):
    generator = torch.load(trained / "checkpoint2.pth", weights_only=True)
    assert all(name.startswith(("backbone.", "head.")) for name in generator)
    DeepLabV2(18, "tiny").load_state_dict(generator)
    for name in ("checkpoint1.pth", "checkpoint1_D.pth", "checkpoint2_D.pth", "options.json", "last.pth", "curves.png"):
        assert (trained / name).is_file()
    assert (trained / "labelled_names.txt").read_text().split() == np.load(chosen, allow_pickle=False).tolist()
    rows = list(csv.DictReader((trained / "metrics.csv").open()))
    assert rows[-1]["step"] == "2"
    assert float(rows[-1]["loss_D"]) > 0


def test_s4gan_needs_no_mask_of_an_unlabelled_tile(demo_set, chosen, tmp_path):
    without = tmp_path / "data"
    shutil.copytree(demo_set / "UCMerced_Images", without / "UCMerced_Images")
    (without / "UCMerced_Labels").mkdir()
    for name in np.load(chosen, allow_pickle=False):
        shutil.copy(demo_set / "UCMerced_Labels" / f"{name}.png", without / "UCMerced_Labels")
    options = s4gan_options(demo_set, tmp_path / "run", **{"--data-dir": without, "--num-steps": 1})
    assert train_s4gan.main([*options, "--active-learning", "--active-learning-images-array", str(chosen)]) == 0


def test_s4gan_random_baseline_has_as_many_labels_as_the_learner(demo_set, tmp_path):
    options = s4gan_options(demo_set, tmp_path, **{"--labeled-ratio": "0.2", "--num-steps": 1})
    assert train_s4gan.main(options) == 0
    assert len((tmp_path / "labelled_names.txt").read_text().split()) == 7


@pytest.mark.parametrize("ratio", [None, "1"])
def test_s4gan_with_all_tiles_labelled_is_supervised_only_and_says_so(demo_set, tmp_path, capsys, ratio):
    options = s4gan_options(demo_set, tmp_path, **({"--labeled-ratio": ratio} if ratio else {}), **{"--num-steps": 1})
    assert train_s4gan.main(options) == 0
    assert "labelled tiles alone" in capsys.readouterr().out
    assert not list(tmp_path.glob("*_D.pth"))


def test_s4gan_save_viz_writes_believed_pseudo_labels(demo_set, tmp_path):
    options = s4gan_options(demo_set, tmp_path / "run", **{"--labeled-ratio": "0.2", "--threshold-st": "0"})
    viz = ["--save_viz", "--generator_viz_dir", str(tmp_path / "viz"), "--save-after-iter", "1"]
    assert train_s4gan.main([*options, *viz]) == 0
    maps = sorted((tmp_path / "viz").glob("*_iter_2.npy"))
    assert len(maps) == 2  # the batch of step 2: threshold 0 believes every map
    ids = np.load(maps[0], allow_pickle=False)
    assert ids.shape == (64, 64)
    assert set(np.unique(ids)) <= {*range(18), 255}
    assert maps[0].with_suffix(".png").is_file()


def test_s4gan_does_not_overwrite_a_run(demo_set, trained, capsys):
    before = (trained / "checkpoint2.pth").read_bytes()
    line = error_line(capsys, 2, train_s4gan.main, s4gan_options(demo_set, trained, **{"--labeled-ratio": "0.2"}))
    assert "--overwrite" in line
    assert (trained / "checkpoint2.pth").read_bytes() == before


# --- auto_evaluate.py ------------------------------------------------------------------------------------------------


def test_evaluation_writes_scores_of_every_checkpoint(demo_set, trained, tmp_path):
    assert auto_evaluate.main(evaluation_options(demo_set, trained, tmp_path)) == 0
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert [row["step"] for row in rows] == ["1", "2"]
    best = max(rows, key=lambda row: float(row["mean_iou"]))
    scores = json.loads((tmp_path / f"best_scores_{best['step']}.json").read_text())
    assert scores["Mean IoU"] == pytest.approx(float(best["mean_iou"]), abs=1e-6)
    assert set(scores["Class IoU"]) == {str(i) for i in range(18)}
    assert scores["Class IoU"]["0"] is None  # never in the truth
    assert (tmp_path / "tiles.png").read_bytes().startswith(b"\x89PNG")


def test_evaluation_names_and_skips_missing_and_broken_checkpoints(demo_set, trained, tmp_path, capsys):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    for name in ("options.json", "checkpoint1.pth"):
        shutil.copy(trained / name, folder)
    (folder / "checkpoint2.pth").write_bytes((trained / "checkpoint2.pth").read_bytes()[:1000])
    options = evaluation_options(demo_set, folder, tmp_path / "results", **{"--end-eval": 3})
    assert auto_evaluate.main(options) == 4
    errors = capsys.readouterr().err
    assert "checkpoint2.pth" in errors
    assert "not there: 3" in errors
    assert len((tmp_path / "results" / "scores.csv").read_text().splitlines()) == 2


def test_evaluation_result_does_not_depend_on_batch_size_or_workers(demo_set, trained, tmp_path):
    for name, batch, workers in (("one", 1, 0), ("two", 4, 2)):
        changes = {"--batch-size": batch, "--num-workers": workers, "--end-eval": 1}
        assert auto_evaluate.main(evaluation_options(demo_set, trained, tmp_path / name, **changes)) == 0
    assert (tmp_path / "one" / "scores.csv").read_text() == (tmp_path / "two" / "scores.csv").read_text()


def test_evaluation_with_crf_writes_its_own_scores(demo_set, trained, tmp_path):
    write_names(tmp_path / "one.txt", (demo_set / "test.txt").read_text().split()[:1])
    quick = {"--crf-bilateral-sigma": 2, "--crf-iterations": 2}  # narrow kernels join few of the 65,536 pixels
    changes = {"--data-list": tmp_path / "one.txt", "--end-eval": 1} | quick
    assert auto_evaluate.main([*evaluation_options(demo_set, trained, tmp_path / "out", **changes), "--crf"]) == 0
    plain, refined = (json.loads((tmp_path / "out" / f"best_scores{name}_1.json").read_text()) for name in ("", "_crf"))
    assert 0 <= refined["Mean IoU"] <= 1
    assert refined.keys() == plain.keys()


# --- usual mistakes --------------------------------------------------------------------------------------------------


def changed(options, *changes):
    """Options with some replaced; None removes one."""
    result = list(options)
    for name, value in zip(changes[::2], changes[1::2], strict=True):
        if name in result:
            at = result.index(name)
            del result[at : at + 2]
        if value is not None:
            result += [name, str(value)]
    return result


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        (("--data-dir", "/nowhere"), 2, "not a folder"),
        (("--data-list", "/nowhere.txt"), 2, "no list of names"),
        (("--dataset-name", "UCN"), 2, "did you mean ucm"),
        (("--query-strategy", "entropie"), 2, "did you mean entropy"),
        (("--model-name", "resnet51"), 2, "did you mean resnet"),
        (("--labeled-ratio", "0"), 2, "above 0 and at most 1"),
        (("--labeled-ratio", "nan"), 2, "above 0 and at most 1"),
        (("--alpha", "1.5"), 2, "above 0 and at most 1"),
        (("--beta", "x"), 2, "above 0 and at most 1"),
        (("--num-classes", "20"), 2, "contradicts"),
        (("--input-size", "320"), 2, "height,width"),
        (("--classifier-weights", "/nowhere.pth"), 2, "nowhere.pth"),
        (("--num-epochz", "3"), 2, "did you mean --num-epochs"),
        (("--dataset-name", "custom"), 2, "dataset.json"),
    ],
)
def test_learner_mistakes(demo_set, tmp_path, capsys, changes, code, expected):
    argv = changed(learner_options(demo_set, tmp_path), *changes)
    assert expected in error_line(capsys, code, train_AL.main, argv)
    assert not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        (("--threshold-st", None), 2, "--threshold-st"),
        (("--threshold-st", "1.5"), 2, "at most 1"),
        (("--num-steps", "0"), 2, "from 1"),
        (("--labeled-ratio", "-0.1"), 2, "above 0"),
        (("--num-classes", "17"), 2, "contradicts"),
        (("--restore-from", "/nowhere.pth"), 2, "nowhere.pth"),
        (("--backbone", "resnet100"), 2, "did you mean resnet101"),
        (("--active-learning-images-array", "names.npy"), 2, "--active-learning"),
        (("--data-dir", "/nowhere"), 2, "not a folder"),
        (("--device", "cuda"), 2, "CUDA"),
    ],
)
def test_s4gan_mistakes(demo_set, tmp_path, capsys, changes, code, expected):
    if "cuda" in changes and torch.cuda.is_available():
        return
    argv = changed(s4gan_options(demo_set, tmp_path / "run"), *changes)
    assert expected in error_line(capsys, code, train_s4gan.main, argv)
    assert not list(tmp_path.rglob("*.pth"))


def test_s4gan_refuses_names_that_are_not_in_the_list(demo_set, tmp_path, capsys):
    np.save(tmp_path / "names.npy", np.array(["agricultural00", "nosuchtile"]))
    argv = [*s4gan_options(demo_set, tmp_path / "run"), "--active-learning"]
    line = error_line(
        capsys, 1, train_s4gan.main, [*argv, "--active-learning-images-array", str(tmp_path / "names.npy")]
    )
    assert "nosuchtile" in line


def test_s4gan_refuses_a_names_array_with_objects(demo_set, tmp_path, capsys):
    np.save(tmp_path / "names.npy", np.array(["agricultural00", None], dtype=object), allow_pickle=True)
    argv = [*s4gan_options(demo_set, tmp_path / "run"), "--active-learning"]
    line = error_line(
        capsys, 1, train_s4gan.main, [*argv, "--active-learning-images-array", str(tmp_path / "names.npy")]
    )
    assert "never loaded" in line


def test_s4gan_refuses_a_labelled_tile_without_a_mask(demo_set, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(demo_set, data, ignore=shutil.ignore_patterns(".cache"))
    name = (data / "train.txt").read_text().split()[3]
    (data / "UCMerced_Labels" / f"{name}.png").unlink()
    argv = changed(s4gan_options(data, tmp_path / "run"), "--data-dir", data)
    line = error_line(capsys, 1, train_s4gan.main, argv)
    assert f"{name}.png" in line
    assert "1 of 32 masks" in line


def test_s4gan_refuses_weights_of_another_network(demo_set, trained, tmp_path, capsys):
    argv = changed(s4gan_options(demo_set, tmp_path / "run"), "--restore-from", trained / "checkpoint1_D.pth")
    assert "discriminator" in error_line(capsys, 1, train_s4gan.main, argv)


@pytest.mark.parametrize("damage", ["missing", "empty", "text"])
def test_commands_refuse_a_damaged_image(demo_set, tmp_path, capsys, damage):
    data = tmp_path / "data"
    shutil.copytree(demo_set, data, ignore=shutil.ignore_patterns(".cache"))
    path = data / "UCMerced_Images" / f"{(data / 'train.txt').read_text().split()[5]}.tif"
    path.unlink()
    if damage != "missing":
        path.write_bytes(b"" if damage == "empty" else b"this is no image")
    line = error_line(capsys, 1, train_AL.main, learner_options(data, tmp_path / "out"))
    assert path.name in line


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        (("--start-eval", "5", "--end-eval", "2"), 2, "lies before"),
        (("--start-eval", "5", "--end-eval", "9"), 2, "no checkpoint of steps 5 to 9"),
        (("--checkpoint-dir", "/nowhere"), 2, "not a folder"),
        (("--num-classes", "6"), 2, "contradicts"),
        (("--step-eval", "0"), 2, "from 1"),
    ],
)
def test_evaluation_mistakes(demo_set, trained, tmp_path, capsys, changes, code, expected):
    argv = changed(evaluation_options(demo_set, trained, tmp_path / "out"), *changes)
    assert expected in error_line(capsys, code, auto_evaluate.main, argv)


def test_a_command_runs_from_any_folder_as_a_process(demo_set, trained, tmp_path):
    argv = evaluation_options(demo_set, trained, tmp_path / "out", **{"--end-eval": 1})
    script = str(ROOT / "tools" / "auto_evaluate.py")
    done = subprocess.run([sys.executable, script, *argv], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "chosen on this list" in done.stdout


def test_drawn_masks_hold_ids_that_the_reader_knows(demo_set):
    mask = read_mask(next((demo_set / "UCMerced_Labels").glob("*.png")), UCM).values
    assert mask.min() >= 1
    assert mask.max() <= 17
