import sys

import pytest

from model.exporting.libraries import LIBRARIES, require_libraries
from utils.errors import OptionError


@pytest.mark.parametrize("missing", [*[(name,) for name in LIBRARIES], LIBRARIES])
def test_what_is_missing_is_named_with_what_installs_it(monkeypatch, missing):
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None if name in missing else sys)
    with pytest.raises(OptionError, match=rf"{' and '.join(missing)} cannot be imported; .*`make setup-export`"):
        require_libraries()


def test_nothing_is_missing(monkeypatch):
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, sys)
    require_libraries()
