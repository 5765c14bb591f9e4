"""Decoded tiles through the commands: what is kept is shown and cleared, and how much may be."""

import re
from pathlib import Path

import pytest

from data.opening import open_dataset
from tests.conftest import TinySet, error_line
from tools import prepare_data


def look(capsys: pytest.CaptureFixture[str], tiny: TinySet, *flags: object) -> str:
    assert prepare_data.main(["cache", "--data-dir", str(tiny.folder), *map(str, flags)]) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def own_user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))


@pytest.fixture
def filled(custom_set: TinySet, argv, accepted) -> TinySet:
    """The custom set after a command that decoded its four images and masks."""
    accepted("auto_evaluate", argv("auto_evaluate", custom_set))
    return custom_set


def test_what_is_kept_is_shown_and_cleared(capsys, filled):
    cache = filled.folder / ".cache"
    shown = look(capsys, filled)
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    assert shown.startswith(f"{cache}: 2 entries with 8 tiles; {size / 1000:.1f} kB of ")
    ending = r"of [\d.]+ GB by default \(--cache-limit\); last used \d{4}-\d\d-\d\d \d\d:\d\d; nothing is in use\n"
    assert re.search(ending, shown)
    assert look(capsys, filled, "--clear") == f"{cache}: removed 2 entries ({size / 1000:.1f} kB)\n"
    assert look(capsys, filled).startswith(f"{cache}: no decoded tiles, 0 bytes of ")


def test_what_a_process_uses_is_shown_and_kept(capsys, filled):
    tiles = open_dataset("custom", filled.folder, filled.list_path)
    before = tiles.image(0).copy()
    assert "in use: 2 entries (" in look(capsys, filled)
    said = look(capsys, filled, "--clear")
    assert re.search(r"removed 0 entries \(0 bytes\); kept 2 entries \([\d.]+ kB\), which running processes use", said)
    assert (tiles.image(0) == before).all()
    del tiles
    assert "removed 2 entries" in look(capsys, filled, "--clear")


def test_another_folder_is_looked_at_alone(capsys, filled, tmp_path):
    (tmp_path / "empty").mkdir()
    assert look(capsys, filled, "--cache-dir", tmp_path / "empty").startswith(f"{tmp_path / 'empty'}: no decoded tiles")
    look(capsys, filled, "--cache-dir", tmp_path / "empty", "--clear")
    assert "8 tiles" in look(capsys, filled)


def test_where_no_folder_is_there_it_is_said(capsys, custom_set):
    assert look(capsys, custom_set).startswith(f"no decoded tiles: there is no {custom_set.folder / '.cache'} and ")
    assert not (custom_set.folder / ".cache").exists()


@pytest.mark.parametrize("option", ["--data-dir", "--cache-dir"])
def test_a_path_that_is_no_folder_is_refused(capsys, custom_set, option):
    options = ["cache", "--data-dir", str(custom_set.folder), option, "/nowhere"]
    assert f"{option} /nowhere is not a folder" in error_line(capsys, 2, prepare_data.main, options)


@pytest.mark.parametrize("command", ["train_AL", "train_s4gan", "auto_evaluate"])
def test_every_command_keeps_to_the_limit(argv, refused, custom_set, command):
    line = refused(2, command, argv(command, custom_set, cache_limit="5kB"))
    assert "needs 12.3 kB, and its limit is 5.0 kB; give a larger --cache-limit, or --no-cache" in line


@pytest.mark.parametrize("size", ["20000", "20000 B", "20kb", "0.02MB", "0.00002 GB", "1TB"])
def test_a_limit_may_be_given_in_any_unit(argv, accepted, custom_set, size):
    accepted("auto_evaluate", argv("auto_evaluate", custom_set, cache_limit=size))
    assert list((custom_set.folder / ".cache").glob("images-*"))


@pytest.mark.parametrize("size", ["0", "0.1 B", "-5GB", "5 apples", "GB", "", "1e9", "nan", "٣GB", "9" * 50])
def test_a_limit_that_is_no_size_is_refused(argv, refused, custom_set, size):
    options = [*argv("auto_evaluate", custom_set), f"--cache-limit={size}"]
    assert "expected a size such as 500MB or 5GB" in refused(2, "auto_evaluate", options)


def test_a_resumed_run_may_have_another_limit(argv, accepted, custom_set):
    accepted("train_AL", argv("train_AL", custom_set, cache_limit="20kB"))
    accepted("train_AL", argv("train_AL", custom_set, cache_limit="1MB", resume=True))
    run = custom_set.folder / "run"
    accepted("train_s4gan", argv("train_s4gan", custom_set, cache_limit="50kB", checkpoint_dir=run))
    accepted("train_s4gan", argv("train_s4gan", custom_set, cache_limit="1MB", resume=True, checkpoint_dir=run))
