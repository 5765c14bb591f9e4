"""Folders that commands write into: nothing is lost where the new run cannot begin, nor written by two at a time."""

import json
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from model import training
from model.learning.active_learner import ActiveLearner
from model.learning.learner import Learner
from model.methods.s4gan import S4GAN
from model.training import TrainingRun
from tests.conftest import contents, error_line, main_of, write_custom, write_image
from tests.data.preparing.test_downloads import ucm
from tests.data.preparing.test_downloads import write_ucm as write_downloads
from tests.tools.train_AL.interruptions import before, forked, killed_at
from tools import predict, train_AL, train_s4gan
from utils.evaluation.report import results as evaluation_results
from utils.runs.lock import FolderLock
from utils.selection import results

ADVICE = "give another folder"


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of a tiny run's time."""
    for module, function in (
        (training, "plot_curves"),
        (TrainingRun, "_save_panels"),
        (results, "plot_curves"),
        (results, "save_bars"),
        (results, "save_contact_sheets"),
        (evaluation_results, "draw"),
    ):
        monkeypatch.setattr(module, function, lambda *_, **__: None)


@pytest.fixture
def run(trained, tmp_path) -> tuple[Path, list[str]]:
    """A finished run of s4GAN in a folder that a test may change, and its options."""
    folder, options = trained
    shutil.copytree(folder, tmp_path / "run")
    return tmp_path / "run", [*options, "--checkpoint-dir", str(tmp_path / "run")]


@pytest.fixture
def selection(chosen, tmp_path) -> tuple[Path, list[str]]:
    """A finished run of the active learner, and its options."""
    out, options = chosen
    shutil.copytree(out, tmp_path / "out")
    (record,) = (tmp_path / "out").rglob("options.json")
    return record.parent, [*options, "--save-dir", str(tmp_path / "out")]


@pytest.fixture
def maps(trained, tmp_path) -> tuple[Path, list[str]]:
    """Maps of one image, and the options that made them."""
    write_image(tmp_path / "images" / "a.png", np.zeros((32, 32, 3), np.uint8))
    options = ["--checkpoint-dir", trained[0], "--images", tmp_path / "images", "--save-dir", tmp_path / "maps"]
    texts = [str(option) for option in [*options, "--device", "cpu", "--ids-only"]]
    assert predict.main(texts) == 0
    return tmp_path / "maps", texts


def free(monkeypatch: pytest.MonkeyPatch, num_bytes: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=num_bytes))


def broken(*_: object, **__: object) -> None:
    raise MemoryError


# --- overwriting ------------------------------------------------------------------------------------------------------


def test_s4gan_with_too_little_disk_keeps_the_old_run(refused, run, monkeypatch):
    free(monkeypatch, 10_000_000)
    line = refused(2, "train_s4gan", [*run[1], "--overwrite", "--num-steps", "9", "--save-pred-every", "1"])
    assert "9 checkpoints of " in line


def test_the_space_of_the_run_that_is_replaced_counts_as_free(run, monkeypatch, capsys):
    own = sum(path.stat().st_size for path in run[0].rglob("*") if path.is_file())
    wanted = [*run[1], "--overwrite", "--num-steps", "3", "--save-pred-every", "1"]
    free(monkeypatch, 0)
    assert main_of("train_s4gan")(wanted) == 2
    needed = float(capsys.readouterr().err.partition("the state need ")[2].split()[0]) * 1e6
    free(monkeypatch, int(needed - own + 200_000))
    assert main_of("train_s4gan")(wanted) == 0
    assert (run[0] / "checkpoint3.pth").is_file()


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_s4gan_that_fails_in_its_first_step_keeps_the_old_run(run, monkeypatch, error, capsys):
    before_it = contents(run[0])

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(S4GAN, "train_step", fail)
    assert train_s4gan.main([*run[1], "--overwrite"]) in (1, 130)
    assert contents(run[0]) == before_it


def test_s4gan_names_and_keeps_files_of_others(run, capsys):
    (run[0] / "notes.txt").write_text("mine")
    assert train_s4gan.main([*run[1], "--overwrite"]) == 0
    assert f"kept in {run[0]}, as this command did not write them: notes.txt" in capsys.readouterr().out
    assert (run[0] / "notes.txt").read_text() == "mine"


def test_the_learner_that_fails_in_its_first_batch_keeps_the_old_run(selection, tmp_path, monkeypatch, capsys):
    (selection[0] / "notes.txt").write_text("mine")
    before_it = contents(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "fit_batches", broken)
        assert train_AL.main([*selection[1], "--overwrite"]) == 1
    assert contents(tmp_path) == before_it
    assert train_AL.main([*selection[1], "--overwrite"]) == 0
    assert (selection[0] / "notes.txt").read_text() == "mine"


def test_predict_without_a_readable_image_keeps_the_old_maps(refused, maps, tmp_path):
    (tmp_path / "images" / "a.png").write_bytes(b"no image")
    refused(1, "predict", [*maps[1], "--overwrite"])


def test_predict_keeps_maps_that_it_did_not_write(maps, tmp_path, capsys):
    (maps[0] / "ids" / "corrected.png").write_bytes(b"mine")
    capsys.readouterr()
    assert predict.main([*maps[1], "--overwrite"]) == 0
    assert "did not write them: ids/corrected.png" in capsys.readouterr().out
    assert (maps[0] / "ids" / "corrected.png").read_bytes() == b"mine"
    (tmp_path / "images" / "a.png").rename(tmp_path / "images" / "corrected.png")
    assert "corrected.png is there, but not by this command" in error_line(
        capsys, 2, predict.main, [*maps[1], "--overwrite"]
    )


@pytest.mark.parametrize("content", ["{", '{"options": {}}'])
def test_predict_without_a_record_of_its_maps_removes_none(refused, maps, content):
    (maps[0] / "ids" / "corrected.png").write_bytes(b"mine")
    (maps[0] / "prediction.json").write_text(content)
    assert "prediction.json" in refused(1, "predict", [*maps[1], "--overwrite"])


def test_predict_that_was_killed_while_it_replaced_maps_knows_those_of_others(maps, capsys):
    (maps[0] / "ids" / "corrected.png").write_bytes(b"mine")
    (maps[0] / ".replaced").mkdir()
    (maps[0] / "prediction.json").rename(maps[0] / ".replaced" / "prediction.json")
    assert predict.main([*maps[1], "--overwrite"]) == 0
    assert "did not write them: ids/corrected.png" in capsys.readouterr().out
    assert (maps[0] / "ids" / "corrected.png").read_bytes() == b"mine"


def test_evaluation_without_a_readable_checkpoint_keeps_the_old_results(
    capsys, argv, custom_set, checkpoints, tmp_path
):
    shutil.copytree(checkpoints, tmp_path / "run")
    options = argv("auto_evaluate", custom_set, checkpoint_dir=tmp_path / "run")
    assert main_of("auto_evaluate")(options) == 0
    before_it = contents(tmp_path)
    image = custom_set.folder / "images" / "tile0.png"
    (tmp_path / "aside.png").write_bytes(image.read_bytes())
    image.write_bytes(b"no image")
    assert main_of("auto_evaluate")([*options, "--overwrite", "--no-cache"]) == 1
    image.write_bytes((tmp_path / "aside.png").read_bytes())
    assert contents(tmp_path / "out") == {path: v for path, v in before_it.items() if "/out/" in str(path)}
    (tmp_path / "run" / "checkpoint1.pth").write_bytes(b"nothing")
    assert main_of("auto_evaluate")([*options, "--overwrite"]) == 1
    assert contents(tmp_path / "out") == {path: v for path, v in before_it.items() if "/out/" in str(path)}


def test_evaluation_never_replaces_the_options_of_the_run_that_it_evaluates(refused, argv, custom_set, run):
    changes = {"checkpoint_dir": run[0], "save_dir": run[0], "overwrite": True}
    assert "written by another command" in refused(2, "auto_evaluate", argv("auto_evaluate", custom_set, **changes))


# --- failing ----------------------------------------------------------------------------------------------------------


def test_a_failed_command_does_not_make_its_next_run_refuse(argv, accepted, custom_set, trained, tmp_path, monkeypatch):
    """Out of memory in the first step, a broken image: after it is mended, the same command runs."""
    (tmp_path / "a.png").write_bytes(b"no image")
    maps = ["--checkpoint-dir", str(trained[0]), "--images", str(tmp_path / "a.png"), "--save-dir", str(tmp_path / "m")]
    assert predict.main([*maps, "--device", "cpu"]) == 1
    write_image(tmp_path / "a.png", np.zeros((32, 32, 3), np.uint8))
    accepted("predict", [*maps, "--device", "cpu"])
    with monkeypatch.context() as patch:
        patch.setattr(S4GAN, "train_step", broken)
        patch.setattr(Learner, "fit_batches", broken)
        for command in ("train_s4gan", "train_AL"):
            assert main_of(command)(argv(command, custom_set, labeled_ratio="0.5", **out_of(command, tmp_path))) == 1
            assert not (tmp_path / command).exists()
    for command in ("train_s4gan", "train_AL"):
        accepted(command, argv(command, custom_set, labeled_ratio="0.5", **out_of(command, tmp_path)))


def out_of(command: str, tmp_path: Path) -> dict[str, Path]:
    return {"checkpoint_dir" if command == "train_s4gan" else "save_dir": tmp_path / command}


# --- resuming ---------------------------------------------------------------------------------------------------------


def test_checkpoints_without_a_state_are_neither_resumed_nor_removed(refused, run):
    (run[0] / "last.pth").unlink()
    line = refused(2, "train_s4gan", [*run[1], "--resume"])
    assert f"--restore-from {run[0] / 'checkpoint1.pth'} --restore-from-D {run[0] / 'checkpoint1_D.pth'}" in line


def test_a_damaged_state_names_the_checkpoint_to_start_from(refused, run):
    (run[0] / "last.pth").write_bytes(b"nothing")
    line = refused(1, "train_s4gan", [*run[1], "--resume"])
    assert "last.pth cannot be read" in line
    assert f"--restore-from {run[0] / 'checkpoint1.pth'}" in line


def test_a_run_killed_before_its_first_state_begins_anew(run, capsys):
    for path in run[0].glob("*.pth"):
        path.unlink()
    assert train_s4gan.main([*run[1], "--resume"]) == 0
    assert "no state was saved yet: starting over" in capsys.readouterr().out
    assert (run[0] / "checkpoint1.pth").is_file()


def test_a_selection_without_a_state_is_neither_resumed_nor_replaced(refused, selection):
    (selection[0] / "state.pth").unlink()
    assert "state.pth is not there" in refused(2, "train_AL", [*selection[1], "--resume"])


def test_a_run_whose_overwriting_was_killed_is_resumed(run):
    (run[0] / ".replaced").mkdir()
    for path in run[0].iterdir():
        if path.is_file():
            path.rename(run[0] / ".replaced" / path.name)
    assert train_s4gan.main([*run[1], "--resume"]) == 0
    assert (run[0] / "checkpoint1.pth").is_file()


def test_a_finished_run_needs_no_space(run, monkeypatch):
    free(monkeypatch, 0)
    assert train_s4gan.main([*run[1], "--resume"]) == 0


def test_a_resumed_run_needs_space_for_what_is_left(run, monkeypatch, tmp_path, capsys):
    wanted = [*run[1][:-1], str(tmp_path / "parts"), "--num-steps", "4", "--save-pred-every", "1"]
    assert train_s4gan.main([*wanted, "--save-state-every", "1", "--max-hours", "1e-9"]) == 0
    checkpoint = sum((tmp_path / "parts" / f"checkpoint1{n}.pth").stat().st_size for n in ("", "_D"))
    state = (tmp_path / "parts" / "last.pth").stat().st_size
    free(monkeypatch, int(2.9 * checkpoint))
    assert "error: 3 checkpoints of" in error_line(capsys, 2, train_s4gan.main, [*wanted, "--resume"])
    free(monkeypatch, int(3.1 * checkpoint + 1.1 * state))
    assert train_s4gan.main([*wanted, "--resume"]) == 0


# --- two at a time ----------------------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_writes(refused, run, selection, maps, argv, custom_set, tmp_path, capsys):
    evaluation = argv("auto_evaluate", custom_set, save_dir=tmp_path / "results", overwrite=True)
    assert main_of("auto_evaluate")(evaluation) == 0
    capsys.readouterr()
    commands = [
        (run[0], "train_s4gan", [*run[1], "--resume"]),
        (run[0], "train_s4gan", [*run[1], "--overwrite"]),
        (run[0], "train_s4gan", run[1]),
        (selection[0], "train_AL", [*selection[1], "--resume"]),
        (maps[0], "predict", [*maps[1], "--overwrite"]),
        (tmp_path / "results", "auto_evaluate", evaluation),
    ]
    for folder, command, options in commands:
        lock = FolderLock(folder)
        lock.acquire(ADVICE)
        assert f"{folder} is being written by process " in refused(2, command, options)
        lock.release()


def test_a_run_that_is_being_trained_is_read(run, argv, accepted, tmp_path):
    tiny = write_custom(tmp_path / "set")
    lock = FolderLock(run[0])
    lock.acquire(ADVICE)
    accepted("auto_evaluate", argv("auto_evaluate", tiny, checkpoint_dir=run[0], follow=True))
    write_image(tmp_path / "a.png", np.zeros((32, 32, 3), np.uint8))
    places = ["--checkpoint-dir", str(run[0]), "--images", str(tmp_path / "a.png"), "--save-dir", str(tmp_path / "m")]
    accepted("predict", [*places, "--device", "cpu"])
    lock.release()


def test_a_killed_run_does_not_stay_locked(run):
    def work() -> int:
        TrainingRun.after_step = before(TrainingRun.after_step, killed_at(1))
        return train_s4gan.main([*run[1], "--overwrite"])

    assert forked(work) == -signal.SIGKILL
    assert (run[0] / ".lock").is_file()
    assert train_s4gan.main([*run[1], "--resume"]) == 0
    assert not (run[0] / ".lock").exists()
    assert torch.load(run[0] / "last.pth", weights_only=True)["step"] == 1


# --- names of a selection that has not ended --------------------------------------------------------------------------


def test_names_are_partial_until_the_run_has_ended(selection, tmp_path, monkeypatch):
    (names,) = (tmp_path / "out").rglob("margin_names_*.npy")
    published = np.load(names)
    partial = selection[0] / f"{names.stem}.partial.npy"
    with monkeypatch.context() as patch:  # it ends after its first round
        patch.setattr(ActiveLearner, "finish", broken)
        assert train_AL.main([*selection[1], "--overwrite"]) == 1
    assert not names.exists()
    assert len(np.load(partial)) == len(published)
    assert train_AL.main([*selection[1], "--resume"]) == 0
    assert not partial.exists()
    assert (np.load(names) == published).all()
    assert sorted(path.name for path in names.parent.glob("*.npy")) == [
        names.name,
        names.name.replace("names", "probs"),
    ]


def test_names_of_another_seed_stay_until_the_new_ones_are_published(selection, tmp_path, monkeypatch, capsys):
    (names,) = (tmp_path / "out").rglob("margin_names_*.npy")
    content = names.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(ActiveLearner, "finish", broken)
        assert train_AL.main([*selection[1], "--random-seed", "1"]) == 1
    assert f"{names} of {selection[0]} (names also in its selected.txt) will be replaced" in capsys.readouterr().out
    assert names.read_bytes() == content
    (partial,) = (tmp_path / "out").rglob("*_names_*.partial.npy")
    assert partial.parent.name.endswith("_seed1")
    assert train_AL.main([*selection[1], "--random-seed", "1", "--resume"]) == 0
    assert f"{names} of {selection[0]} (names also in its selected.txt) is replaced" in capsys.readouterr().out
    assert names.read_bytes() != content


def test_partial_names_are_said_to_be_so(selection, tmp_path, argv, custom_set, capsys):
    (names,) = (tmp_path / "out").rglob("margin_names_*.npy")
    partial = names.rename(selection[0] / f"{names.stem}.partial.npy")
    changes = {"active_learning": True, "active_learning_images_array": partial, "checkpoint_dir": tmp_path / "new"}
    assert train_s4gan.main(argv("train_s4gan", custom_set, **changes)) == 0
    assert "selection that has not ended" in capsys.readouterr().err
    changes |= {"active_learning_images_array": names, "checkpoint_dir": tmp_path / "newer"}
    line = error_line(capsys, 2, train_s4gan.main, argv("train_s4gan", custom_set, **changes))
    assert f"{partial} holds those so far" in line


def test_a_published_array_of_an_unfinished_run_is_taken_back(selection, tmp_path, monkeypatch):
    """As runs of before left it; no round follows, because the state is that of a run that has to ask again."""
    (names,) = (tmp_path / "out").rglob("margin_names_*.npy")
    partial = selection[0] / f"{names.stem}.partial.npy"
    monkeypatch.setattr(ActiveLearner, "fit", broken)
    state = torch.load(selection[0] / "state.pth", weights_only=True)
    state["selection"]["rounds"] = state["selection"]["rounds"][:0]
    torch.save(state, selection[0] / "state.pth")
    assert train_AL.main([*selection[1], "--resume"]) == 1
    assert partial.exists()
    assert not names.exists()


# --- prepared folders -------------------------------------------------------------------------------------------------


def test_prepared_scenes_are_replaced_around_files_of_others(tmp_path, capsys):
    for number in range(2):
        write_image(tmp_path / "images" / f"s{number}.png", np.full((32, 32, 3), 90 * number, np.uint8))
        write_image(tmp_path / "masks" / f"s{number}.png", np.full((32, 32), number, np.uint8))
    out = tmp_path / "out"
    options = ["scenes", "--images", tmp_path / "images", "--masks", tmp_path / "masks", "--classes", "a,b"]
    texts = [str(option) for option in [*options, "--tile-size", "16", "--out", out]]
    assert main_of("prepare_data")(texts) == 0
    (out / "notes.txt").write_text("mine")
    (out / "runs" / "one").mkdir(parents=True)
    (out / "runs" / "one" / "last.pth").write_text("mine")
    (out / "images" / "own.png").write_bytes(b"mine")
    corrected = out / "masks" / "s0_0_0.png"
    corrected.write_bytes(b"corrected by hand")
    (out / ".cache").mkdir()
    capsys.readouterr()
    assert main_of("prepare_data")([*texts, "--random-seed", "1", "--overwrite"]) == 0
    names = "images/own.png, masks/s0_0_0.png.kept, notes.txt, runs/one/last.pth"
    said = capsys.readouterr().out
    assert said.startswith(f"kept in {out}, as this command did not write them: ")
    assert sorted(said.splitlines()[0].partition("them: ")[2].split(", ")) == names.split(", ")
    assert (out / "masks" / "s0_0_0.png.kept").read_bytes() == b"corrected by hand"
    assert (out / "runs" / "one" / "last.pth").read_text() == "mine"
    assert json.loads((out / "prepared.json").read_text())["options"]["random_seed"] == 1
    assert corrected.read_bytes() != b"corrected by hand"
    assert main_of("prepare_data")([*texts, "--random-seed", "2", "--overwrite"]) == 0
    assert (out / "masks" / "s0_0_0.png.kept").read_bytes() == b"corrected by hand"
    assert (out / "images" / "own.png").read_bytes() == b"mine"


@pytest.mark.parametrize("flags", [(), ("--copy",)])
def test_a_copied_folder_is_not_taken_for_changed(tmp_path, capsys, flags):
    write_downloads(tmp_path)
    assert ucm(tmp_path, *flags) == 0
    shutil.move(tmp_path / "out", tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "out", copy_function=shutil.copyfile)
    (tmp_path / "out" / "UCMerced_Labels" / "own.png").write_bytes(b"mine")
    capsys.readouterr()
    assert ucm(tmp_path, *flags, "--random-seed", "1", "--overwrite") == 0
    assert capsys.readouterr().out.startswith(
        f"kept in {tmp_path / 'out'}, as this command did not write them: UCMerced_Labels/own.png\n"
    )


def test_a_folder_whose_replacing_was_killed_comes_back(tmp_path, capsys):
    write_downloads(tmp_path)
    assert ucm(tmp_path) == 0
    (tmp_path / "out").rename(tmp_path / ".out.12-ab.old")
    assert ucm(tmp_path) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert not list(tmp_path.glob(".out*"))
