"""People in the loop: tiles wait for their labels, which come from a table, and mistakes in it are listed."""

import json
import shutil
from pathlib import Path

import pytest

from model.learning.active_learner import ActiveLearner
from tests.conftest import TinySet
from tests.tools.train_AL.conftest import (
    AUGMENTED,
    error_of,
    fill_in,
    folder_of,
    names_of,
    options,
    record_of,
    rows_of,
    run,
    true_classes,
    unfinished_names_of,
)


def test_a_whole_loop_with_a_person(own_tiles: TinySet, uninterrupted: Path, tmp_path: Path, capsys):
    """Labels are written only where they are asked for; the selection is that of a run that knew them all."""
    shutil.copy(own_tiles.folder / "scene_labels.csv", tmp_path / "known.csv")
    (own_tiles.folder / "scene_labels.csv").write_text("name,label\n" + "".join(f"{n},dry\n" for n in ()))
    argv, out = options(own_tiles, tmp_path / "people", *AUGMENTED), tmp_path / "people"
    sheet = folder_of(out) / "to_label.csv"

    run(argv, 3)
    said = capsys.readouterr().out
    assert "2 tiles wait for a scene label" in said
    assert "with one of: dry, wet" in said
    assert said.rstrip().endswith("--resume")
    assert "cost so far: 2 scene labels asked for (2 not given yet), 0 of 4 masks to draw" in said
    assert (folder_of(out) / "to_label.png").is_file()
    page = folder_of(out) / "to_label.html"
    assert page.read_text().count('<script type="text/plain" id="tile-') == 2
    first = rows_of(sheet)
    assert [(row["label"], row["predicted"], row["score"]) for row in first] == [("", "", "")] * 2

    run([*argv, "--resume"], 3)  # nothing was filled in
    assert rows_of(sheet) == first
    assert fill_in(sheet, "sure") == 2
    run([*argv, "--resume"], 3)
    second = rows_of(sheet)
    assert [row["name"] for row in second[:2]] == [row["name"] for row in first]
    assert [row["label"] for row in second] == [*true_classes([row["name"] for row in first]), "", ""]
    assert [row["note"] for row in second] == ["sure", "sure", "", ""]
    assert all(row["predicted"] in ("dry", "wet") and float(row["score"]) <= 0 for row in second[2:])
    assert unfinished_names_of(out) == [row["name"] for row in second[2:]]
    with pytest.raises(FileNotFoundError):
        names_of(out)

    assert fill_in(sheet) == 2
    capsys.readouterr()
    run([*argv, "--resume"])
    record, said = record_of(out), capsys.readouterr().out
    right = round(2 * record["rounds"][0]["query_accuracy"])
    assert f"round 1: {right} of 2 labels are what the classifier had predicted" in said
    assert float(rows_of(folder_of(out) / "metrics.csv")[0]["query_accuracy"]) == right / 2
    assert "query_accuracy" not in record["rounds"][1]
    assert "labels of this data set so far: 4 scene labels (minutes not known)" in said
    ledger = [
        (row["round"], row["name"], row["kind"], row["source"]) for row in rows_of(own_tiles.folder / "ledger.csv")
    ]
    asked = [row["name"] for row in rows_of(sheet)]
    assert ledger == [(n, name, "scene", "people") for n, name in zip("1122", asked, strict=True)]
    assert [r["true"] for r in record["rounds"]] == [true_classes(names_of(out)[:2]), [None, None]]
    assert record["ledger"]["scene_labels_asked_for"] == 4  # the last ones asked for need a mask, not a scene label

    shutil.copy(tmp_path / "known.csv", own_tiles.folder / "scene_labels.csv")
    run(options(own_tiles, tmp_path / "simulated", *AUGMENTED))
    assert names_of(tmp_path / "simulated") == names_of(out)


def test_labels_that_people_wrote_survive_an_overwritten_run(own_tiles: TinySet, tmp_path: Path):
    (own_tiles.folder / "scene_labels.csv").unlink()
    argv = options(own_tiles, tmp_path)
    run(argv, 3)
    sheet = folder_of(tmp_path) / "to_label.csv"
    sheet.write_text(sheet.read_text() + "tile3,wet\n")  # a label nobody asked for is kept too
    fill_in(sheet)
    before = {row["name"]: row["label"] for row in rows_of(sheet)}
    run([*argv, "--overwrite"], 3)  # its initial pool is labelled already: the first round asks
    after = {row["name"]: row["label"] for row in rows_of(sheet)}
    assert {name: after[name] for name in before} == before
    assert list(after.values()).count("") == 2 - ("tile3" in unfinished_names_of(tmp_path))


def test_labels_that_people_write_while_a_round_runs_stay(own_tiles: TinySet, tmp_path: Path, monkeypatch, capsys):
    (own_tiles.folder / "scene_labels.csv").unlink()
    argv = options(own_tiles, tmp_path)
    run(argv, 3)
    sheet = folder_of(tmp_path) / "to_label.csv"
    first = {row["name"] for row in rows_of(sheet)}

    def after_rounds(self: ActiveLearner) -> bool:
        assert fill_in(sheet, "sure") == 2
        return True

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(ActiveLearner, "waits_for_labels", property(after_rounds))
        run([*argv, "--resume"], 3)
    assert {(row["name"], row["label"]) for row in rows_of(sheet)} == {(n, *true_classes([n])) for n in first}
    assert "were written into" in capsys.readouterr().out
    assert not (folder_of(tmp_path) / "to_label.png").exists()


def test_scene_classes_and_labels_from_elsewhere(own_tiles: TinySet, tmp_path: Path, capsys):
    labels = shutil.copy(own_tiles.folder / "scene_labels.csv", tmp_path / "mine.csv")
    description = json.loads((own_tiles.folder / "dataset.json").read_text())
    del description["scene_classes"], description["scene_labels"]
    (own_tiles.folder / "dataset.json").write_text(json.dumps(description))
    assert "give --scene-classes" in error_of(capsys, options(own_tiles, tmp_path), 2)
    assert "two different names" in error_of(capsys, options(own_tiles, tmp_path, scene_classes="dry,dry"), 2)
    val_list = own_tiles.folder / "val.txt"
    run(options(own_tiles, tmp_path, scene_classes="dry,wet", oracle=labels, val_list=val_list))
    assert len(names_of(tmp_path)) == 4
    assert record_of(tmp_path)["rounds"][0]["true"] == true_classes(names_of(tmp_path)[:2])


def test_scene_classes_that_contradict_the_data_set(tiles: TinySet, tmp_path: Path, capsys):
    assert "contradicts the data set" in error_of(capsys, options(tiles, tmp_path, scene_classes="dry,damp"), 2)
    run(options(tiles, tmp_path, scene_classes="dry,wet", num_epochs=1))


def test_mistakes_in_labels_are_listed_with_their_lines(tiles: TinySet, tmp_path: Path, capsys):
    path = tmp_path / "labels.csv"
    path.write_text("name,label\ntile1,wet\ntile2,wett\nnowhere,dry\n\ntile1,dry\ntile3,\n")
    line = error_of(capsys, options(tiles, tmp_path, oracle=path), 1)
    assert "3 labels cannot be used" in line
    assert "labels.csv, line 3: 'tile2' has unknown scene class 'wett'; did you mean wet?" in line
    assert "labels.csv, line 4: 'nowhere' is not in the list of tiles" in line
    assert "labels.csv, line 6: 'tile1' is dry here and wet in labels.csv, line 2" in line


def test_an_oracle_that_is_not_there(tiles: TinySet, own_tiles: TinySet, tmp_path: Path, capsys):
    assert "neither dataset nor people" in error_of(capsys, options(tiles, tmp_path, oracle="nobody.csv"), 2)
    (own_tiles.folder / "scene_labels.csv").unlink()
    assert "give --oracle people" in error_of(capsys, options(own_tiles, tmp_path, oracle="dataset"), 1)


def test_people_are_asked_although_the_data_set_knows(tiles: TinySet, tmp_path: Path):
    run(options(tiles, tmp_path, oracle="people"), 3)
    assert len(rows_of(folder_of(tmp_path) / "to_label.csv")) == 2
