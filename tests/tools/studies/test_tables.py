import json

from tests.conftest import write_list
from tests.tools.studies.conftest import lists_of
from tools.studies.commands import CELL
from tools.studies.jobs import jobs_of
from tools.studies.tables import read_results
from utils.studies.parts import PRETRAINED, StudyNetwork


def test_labels_are_counted_where_weights_were_made_before_the_choice(make, tmp_path):
    """Such a cell needs two jobs, its weights and its selection."""
    options = {"train": {"num_steps": 40}, "pretrain": {"task": "self", "num_epochs": 3}}
    network = StudyNetwork("own", "tiny", PRETRAINED, "tiny", PRETRAINED)
    jobs = jobs_of(make(networks=(network,), options=options), tmp_path / "study")
    lists_of(jobs, tmp_path)
    by_name = {job.name: job for job in jobs.jobs}
    for job in jobs.jobs:
        if job.kind == CELL:
            run = job.steps[0].folder
            run.mkdir(parents=True)
            write_list(run / "labelled_names.txt", ["tile1", "tile2"])
            _, selection = (by_name[need].steps[0].folder for need in job.needs)
            selection.mkdir(parents=True, exist_ok=True)
            record = {"ledger": {"scene_labels_asked_for": 7}, "initial_pool": ["tile3"]}
            (selection / "selection.json").write_text(json.dumps(record))
    labels = read_results(jobs).labels
    assert {(each.masks, each.scene_labels) for each in labels.values()} == {(2, 7)}
    assert all(each.initial for each in labels.values())
