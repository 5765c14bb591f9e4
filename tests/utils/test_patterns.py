import re
import time

import pytest

from utils.patterns import TooSlowError, replace_all, search_all

NAMES = ["north_3", "südost_12", "x", "", "a\udcffb_1", 'quote"_1']


@pytest.mark.parametrize("pattern", [r"^(.+)_\d+$", r"\d+", r"^(a)?", r"(n)(o)", r"[^\W\d]+", "zzz"])
def test_finds_what_the_matcher_finds(pattern: str):
    found = [re.search(pattern, name) for name in NAMES]
    assert search_all(pattern, NAMES) == [m and m.group(1 if m.groups() else 0) for m in found]


@pytest.mark.parametrize(
    ("pattern", "replacement"), [(r"_(\d+)$", r"-\1"), (r"(?P<word>[^_]+)_", r"\g<word>"), (r"^", "x"), (r"t", "")]
)
def test_replaces_what_the_matcher_replaces(pattern: str, replacement: str):
    expected = [re.sub(pattern, replacement, name, count=1) if re.search(pattern, name) else None for name in NAMES]
    assert replace_all(pattern, replacement, NAMES) == expected


def test_no_names_no_process(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("subprocess.run", None)
    assert search_all("a", []) == []


def test_an_expression_without_end_is_stopped_and_its_name_told():
    start = time.monotonic()
    with pytest.raises(TooSlowError) as caught:
        search_all(r"^(a+)+$", ["a" * 40 + "b", "a"], seconds=0.5)
    assert time.monotonic() - start < 20
    assert caught.value.text == "a" * 40 + "b"
