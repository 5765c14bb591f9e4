from dataclasses import replace

import pytest

from tools.studies.costs import minutes_of
from tools.studies.jobs import jobs_of
from utils.studies.costs import PeopleMinutes

HEAD = "round,name,kind,source,draft,minutes,time\n"


def test_a_ledger_tells_what_labels_take(make, tmp_path):
    """A mask that was worked on twice took both times; labels without minutes tell nothing."""
    study = make()
    assert minutes_of(jobs_of(study, tmp_path / "study")) == {"town": PeopleMinutes()}
    data = study.data[0]
    rows = "0,a,mask,qgis,no,4,\n0,a,mask,qgis,no,2,\n0,b,mask,qgis,yes,,\n1,a,scene,people,no,0.5,\n"
    (data.data_dir / "ledger.csv").write_text(HEAD + rows)
    found = minutes_of(jobs_of(study, tmp_path / "study"))["town"]
    assert found == PeopleMinutes(mask=6.0, masks=1, scene_label=0.5, scene_labels=1)


def test_ledgers_of_areas_with_folders_of_their_own_count_together(make, tmp_path):
    study = make()
    folders = [tmp_path / "east", tmp_path / "west"]
    for minutes, folder in zip((2, 4), folders, strict=True):
        folder.mkdir()
        (folder / "ledger.csv").write_text(f"{HEAD}0,{folder.name},mask,qgis,no,{minutes},\n")
    areas = [replace(area, data_dir=folder) for area, folder in zip(study.data[0].areas, folders, strict=True)]
    jobs = replace(jobs_of(study, tmp_path / "study"), areas={"town": areas})
    assert minutes_of(jobs)["town"].mask == pytest.approx(3.0)
