"""What a new machine installs: the conda environment takes what requirements.txt lists, and a Python we support."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONDA = (ROOT / "requirements.yaml").read_text(encoding="utf-8")


def test_the_conda_environment_installs_what_requirements_txt_lists_and_nothing_else():
    dependencies = [line.strip().removeprefix("- ") for line in CONDA.partition("dependencies:\n")[2].splitlines()]
    assert dependencies[1:] == ["pip", "pip:", "-r requirements.txt"]
    assert (ROOT / "requirements.txt").is_file()


def test_its_python_is_one_that_make_takes():
    found = re.search(r"- python=(3\.\d+)$", CONDA, re.MULTILINE)
    assert found is not None
    assert f"python{found[1]}" in (ROOT / "Makefile").read_text(encoding="utf-8")
