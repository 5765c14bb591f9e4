import subprocess
import sys

import pytest

import utils.selection


def test_public_names_are_listed_and_unknown_ones_named():
    assert {"choose", "Budget"} <= set(dir(utils.selection))
    misspelt = "chose"
    with pytest.raises(AttributeError, match=r"has no attribute 'chose'; public are .*choose"):
        getattr(utils.selection, misspelt)


def test_a_package_imports_no_torch_before_a_name_is_asked_for():
    code = "import sys, utils.selection; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
