from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from utils.fields import as_counts, as_exact, as_one_of, as_paths, as_size, as_text, check_numbers, check_shares
from utils.settings import SettingsError, as_plain


@dataclass(frozen=True)
class Job:
    folder: Any = None
    source: Any = None
    steps: Any = None
    rate: Any = None
    share: Any = None
    size: Any = None
    backbone: Any = None

    def __post_init__(self) -> None:
        as_paths(self, "folder")
        as_text(self, "source")
        as_counts(self, "steps")
        check_numbers(self, "rate", high=1)
        as_exact(self, "share")
        check_shares(self, "share")
        as_size(self, "size")
        as_one_of(self, "backbone", "backbone", ("resnet101", "tiny"))


def test_values_come_to_the_types_of_their_fields():
    job = Job("runs/x", Path("w.pth"), np.int64(5), np.float32(0.5), 0.05, [32, np.int32(64)], "TINY")
    assert job == Job(Path("runs/x"), "w.pth", 5, 0.5, Decimal("0.05"), (32, 64), "tiny")
    assert {type(value) for value in as_plain(job).values()} == {str, int, float, list}
    assert Job() == Job(*[None] * 7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folder": 3}, "folder is 3, expected a path"),
        ({"steps": 5.0}, r"steps is 5\.0, expected a whole number"),
        ({"steps": True}, "steps is True, expected a whole number"),
        ({"steps": "5"}, "steps is '5', expected a whole number"),
        ({"steps": 0}, "steps is 0, expected 1 or more"),
        ({"rate": float("nan")}, "rate is nan, expected a number of at least 0 and at most 1"),
        ({"rate": 1.5}, r"rate is 1\.5, expected a number of at least 0 and at most 1"),
        ({"rate": "0.5"}, "rate is '0.5', expected a number"),
        ({"share": "half"}, "share is 'half', expected a number"),
        ({"share": "NaN"}, "share is NaN, expected a number above 0 and at most 1"),
        ({"share": 1.5}, "share is 1.5, expected a number above 0 and at most 1"),
        ({"size": 128}, r"size is 128, expected height and width such as \(320, 320\)"),
        ({"size": "320,320"}, "expected height and width"),
        ({"size": (8, 32)}, "size is 8×32, expected 16 pixels or more a side"),
        ({"backbone": "resnet11"}, r"^unknown backbone 'resnet11'; did you mean resnet101\?$"),
        ({"backbone": 3}, "unknown backbone '3'; known are resnet101, tiny"),
    ],
)
def test_other_values_are_refused_in_words_of_fields(given: dict[str, Any], message: str):
    with pytest.raises(SettingsError, match=message):
        Job(**given)
