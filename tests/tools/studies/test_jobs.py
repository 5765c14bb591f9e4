from pathlib import Path

import pytest

from tools.studies.commands import CELL, PRETRAINING, SELECTION
from tools.studies.jobs import jobs_of
from tools.studies.planning import outlook, remarks
from tools.studies.run_job import write_state
from utils.errors import DataError, OptionError
from utils.studies.cells import cells_of, options_of
from utils.studies.parts import PRETRAINED, CellRule, FoldSettings, StudyData, StudyNetwork, StudyVariant
from utils.studies.study_file import read_study


def test_a_selection_is_made_once_for_all_methods(make, tmp_path):
    jobs = jobs_of(make(), tmp_path / "study")
    kinds = [job.kind for job in jobs.jobs]
    assert (kinds.count(SELECTION), kinds.count(CELL)) == (2 * 2 * 2, 16)
    first = jobs.jobs[0]
    assert [cell.method for cell in first.cells] == ["supervised", "s4gan"]
    assert first.steps[0].result.name == "random_names_0.5_0.1_0.5.npy"
    names = [job.name for job in jobs.jobs]
    assert all(names.index(need) < names.index(job.name) for job in jobs.jobs for need in job.needs)


def test_commands_of_a_cell(make, tmp_path):
    jobs = jobs_of(make(), tmp_path / "study")
    train, last = next(job for job in jobs.jobs if job.name == "town_east_tiny_0.5_margin_s4gan_seed2").steps
    text = " ".join(train.words)
    assert "--random-seed 2" in text
    assert "--threshold-st 0.6" in text
    assert "margin_names_0.5_0.1_0.5.npy" in text
    assert train.result.name == "checkpoint40.pth"
    assert last.words[last.words.index("--start-eval") + 1] == "40"
    assert "--supervised-only" in jobs.jobs[1].steps[0].words


def test_a_variant_is_trained_as_its_method_with_options_of_its_own(make, tmp_path):
    slow = StudyVariant("slow", "s4gan", {"train": {"learning_rate": 0.001}})
    jobs = jobs_of(make(methods=("supervised", "slow"), variants=(slow,)), tmp_path / "study")
    words = next(job for job in jobs.jobs if job.name.endswith("_slow_seed1")).steps[0].words
    assert not {"--method", "--supervised-only"} & set(words)
    assert words[words.index("--learning-rate") + 1] == "0.001"
    assert words[words.index("--threshold-st") + 1] == "0.6"


def test_random_alone_needs_no_active_learner(make, tmp_path):
    jobs = jobs_of(make(strategies=("random",)), tmp_path / "study")
    assert {job.kind for job in jobs.jobs} == {CELL}
    assert "--labeled-ratio" in jobs.jobs[0].steps[0].words


def test_networks_with_one_classifier_share_its_choice(make, tmp_path):
    networks = tuple(
        StudyNetwork(name, "tiny", weights, "tiny", "none") for name, weights in (("a", "none"), ("b", "x"))
    )
    jobs = jobs_of(make(networks=networks), tmp_path / "study")
    assert sum(job.kind == SELECTION for job in jobs.jobs) == 2 * 2 * 2


def test_weights_are_made_once_for_each_area_and_seed(make, tmp_path):
    networks = (
        StudyNetwork("tiny", "tiny", "none", "tiny", "none"),
        StudyNetwork("own", "tiny", PRETRAINED, "tiny", PRETRAINED),
    )
    options = {"train": {"num_steps": 40}, "pretrain": {"task": "self", "num_epochs": 3}}
    jobs = jobs_of(make(networks=networks, options=options), tmp_path / "study")
    made = {job.name: job for job in jobs.jobs if job.kind == PRETRAINING}
    assert list(made) == [f"pretraining/town_{area}_own_seed{seed}" for seed in (1, 2) for area in ("east", "west")]
    first = made["pretraining/town_east_own_seed1"].steps[0]
    assert "--num-epochs 3" in " ".join(first.words)
    assert first.words[first.words.index("--data-list") + 1].endswith(
        "not_east.txt"
    )  # nothing of the area it is tested on
    users = [job for job in jobs.jobs if "pretraining/town_east_own_seed1" in job.needs]
    assert {job.kind for job in users} == {SELECTION, CELL}
    assert all(str(first.result) in step.words for job in users for step in job.steps[:1])
    others = [job for job in jobs.jobs if job.kind == CELL and job.cells[0].network == "tiny"]
    assert not any(need in made for job in others for need in job.needs)


def test_folds_have_a_validation_list_and_a_best_checkpoint(make, tmp_path):
    data = StudyData("town", "custom", tmp_path / "set", folds=FoldSettings(val_share=0.25))
    jobs = jobs_of(make(data=(data,)), tmp_path / "study")
    assert len(jobs.areas["town"]) == 8
    jobs.write_lists()
    jobs.write_lists()  # the same again
    train, best, last = next(job for job in jobs.jobs if job.kind == CELL).steps
    assert "--val-list" in train.words
    assert "--all" in best.words
    assert (best.title, last.title) == ("best", "last")
    path = next(iter(jobs.folds)) / "train.txt"
    path.write_text("other\n")
    with pytest.raises(DataError, match="another data set than today's"):
        jobs.write_lists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options": {"train": {"num_stps": 40}}}, "town_east.*unknown option '--num-stps'; did you mean --num-steps"),
        ({"options": {"select": {"alpha": 7}}}, "town_east.*--alpha"),
        ({"methods": ("supervised", "s4gn"), "rules": ()}, "unknown method 's4gn'; did you mean s4gan"),
        ({"rules": ()}, "threshold-st"),
        ({"variants": (StudyVariant("s4gan", "fixmatch"),)}, "variant s4gan has the name of a method"),
        (
            {"methods": ("s4gan", "slow"), "variants": (StudyVariant("slow", "s4gn"),)},
            "unknown method of the variant slow, 's4gn'; did you mean s4gan",
        ),
        (
            {"rules": (CellRule({"method": "s4gan"}, {"train": {"threshold_st": 0.6}, "select": {"num_epochs": 3}}),)},
            r"share selections/town_east_tiny_0.5_random_seed1 give it different options of \[select\].* each method",
        ),
    ],
)
def test_what_a_command_would_refuse_is_refused_before_the_first_job(make, tmp_path, changes, words):
    with pytest.raises(OptionError, match=words):
        jobs_of(make(**changes), tmp_path / "study")


ASSETS = Path(__file__).resolve().parents[3] / "assets" / "studies"


@pytest.mark.parametrize(("name", "cells"), [("demo", 120), ("demo_short", 32), ("paper", 108)])
def test_the_studies_beside_the_code_are_ready_to_run(name, cells, tmp_path):
    jobs = jobs_of(read_study(ASSETS / f"{name}.toml"), tmp_path)
    assert len(jobs.cells) == cells


def test_the_study_of_five_areas_is_read():
    cells = cells_of(read_study(ASSETS / "dubai.toml"), {"dubai": [f"tile{number}" for number in range(5)]})
    assert [cell.network for cell in cells] == ["tiny"] * (60 + 30) + ["pretrained"] * (45 + 30)


def test_the_study_of_equal_time_gives_cheaper_methods_more_steps():
    study = read_study(ASSETS / "dubai_time.toml")
    cells = cells_of(study, {"dubai": ["tile1"]})
    steps = {cell.method: options_of(study, "train", cell)["num_steps"] for cell in cells}
    assert steps == {"supervised": 4998, "s4gan": 900, "fixmatch": 1872, "unimatch": 936}


def test_a_study_that_was_changed_is_not_gone_on_with(make, tmp_path):
    jobs = jobs_of(make(), tmp_path / "study")
    job = jobs.jobs[1]
    (jobs.folder / job.name).mkdir(parents=True)
    write_state(jobs.folder / job.name, {"train": {"words": list(job.steps[0].words)}})
    outlook(jobs, None)
    with pytest.raises(DataError, match=r"begun with other options .*50"):
        outlook(jobs_of(make(options={"train": {"num_steps": 50}}), tmp_path / "study"), None)


def test_what_the_design_cannot_show_is_said_before_it_runs(make, tmp_path):
    said = "\n".join(remarks(jobs_of(make(), tmp_path / "study")))
    assert "2 areas; a claim on a new area after 4 comparisons needs 8 or more" in said
    assert "4 pairs; a claim on these areas after 4 comparisons needs 8 or more" in said
