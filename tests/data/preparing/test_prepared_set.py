"""Which tiles the lists of a prepared folder hold."""

from tests.data.preparing.test_downloads import lists, run, ucm, write_ucm


def test_ucm_without_masks_has_a_training_list_only(tmp_path, capsys):
    names = write_ucm(tmp_path)
    assert run("ucm", "--images", tmp_path / "UCMerced_LandUse", "--out", tmp_path / "out", "--val-share", "0.1") == 0
    assert lists(tmp_path / "out") == {"train": names}
    assert "none of 15 tiles" in capsys.readouterr().out


def test_test_and_validation_tiles_have_masks(tmp_path):
    write_ucm(tmp_path, per_class=10)
    for path in (tmp_path / "DLRSD" / "Labels" / "beach").iterdir():
        path.unlink()
    assert ucm(tmp_path, "--test-share", "0.5", "--val-share", "0.5") == 0
    parts = lists(tmp_path / "out")
    assert {part: len(names) for part, names in parts.items()} == {"train": 15, "test": 10, "val": 5}
    assert not any(name.startswith("beach") for name in parts["test"] + parts["val"])


def test_lists_depend_on_the_seed(tmp_path):
    write_ucm(tmp_path)
    seen = set()
    for seed in (1, 1, 2):
        assert ucm(tmp_path, "--random-seed", seed, "--overwrite") == 0
        seen.add(tuple(lists(tmp_path / "out")["test"]))
    assert len(seen) == 2
