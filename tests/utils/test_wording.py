"""Messages speak of fields to Python users, and of flags within a command."""

from pathlib import Path

import pytest

from data.decoding.images import open_image
from tools.cli.as_settings import flag
from tools.cli.running import run
from utils.errors import DataError
from utils.wording import fields_called, worded


def test_a_block_calls_fields_otherwise_and_ends_so():
    with fields_called(flag):
        assert worded("{data_dir}, {restore_from_D}") == "--data-dir, --restore-from-D"
        with fields_called(str.upper):
            assert worded("{data_dir}") == "DATA_DIR"
    assert worded("{data_dir}") == "data_dir"


@pytest.mark.parametrize("name", ["a.png", "{gpu}.png"])
def test_errors_of_data_name_fields_too(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str):
    path = tmp_path / name
    with pytest.raises(DataError, match=r"check data_dir and the list$"):
        open_image(path)
    assert run(lambda settings: open_image(path), lambda argv: None, []) == 1
    assert capsys.readouterr().err == f"error: {path} is missing; check --data-dir and the list\n"
