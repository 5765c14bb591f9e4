"""Finished runs that tests of bad input copy and damage."""

from pathlib import Path

import pytest

from tests.conftest import write_custom
from tools import train_AL, train_s4gan


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a finished run, and the options without the folder."""
    tiny = write_custom(tmp_path_factory.mktemp("trained") / "custom")
    run = tiny.folder.parent / "run"
    options = ["--dataset", "custom", "--data-dir", tiny.folder, "--data-list", tiny.list_path, "--backbone", "tiny"]
    options += ["--restore-from", "none", "--threshold-st", 0.5, "--num-steps", 1, "--batch-size", 1]
    options += ["--input-size", "32,32", "--labeled-ratio", "0.5", "--device", "cpu", "--precision", "fp32"]
    texts = [str(option) for option in options]
    assert train_s4gan.main([*texts, "--checkpoint-dir", str(run)]) == 0
    return run, texts


@pytest.fixture(scope="session")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a finished run of the active learner, and the options without the folder."""
    tiny = write_custom(tmp_path_factory.mktemp("chosen") / "custom")
    options = ["--dataset", "custom", "--data-dir", tiny.folder, "--data-list", tiny.list_path, "--device", "cpu"]
    options += ["--model-name", "tiny", "--num-epochs", 1, "--input-size", "32,32", "--labeled-ratio", "0.5"]
    texts = [str(option) for option in [*options, "--precision", "fp32"]]
    assert train_AL.main([*texts, "--save-dir", str(tiny.folder.parent / "out")]) == 0
    return tiny.folder.parent / "out", texts
