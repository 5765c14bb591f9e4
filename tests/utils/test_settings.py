from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tools.cli.as_settings import flag
from utils.errors import OptionError
from utils.settings import SettingsError, as_plain, require
from utils.wording import fields_called


@dataclass(frozen=True)
class Batches:
    batch_size: int = 8
    parts: int = 1

    def __post_init__(self) -> None:
        require(self.batch_size % self.parts == 0, f"{{parts}} {self.parts} does not divide {{batch_size}}")


@dataclass(frozen=True)
class Job:
    folder: Path
    ratio: Decimal
    batches: Batches
    sizes: tuple[int, ...] = (3, 4)


def test_a_rule_speaks_of_fields_and_a_command_of_flags():
    with pytest.raises(SettingsError) as caught:
        Batches(8, 3)
    assert str(caught.value) == "parts 3 does not divide batch_size"
    assert isinstance(caught.value, OptionError)
    with fields_called(flag), pytest.raises(SettingsError) as caught:
        Batches(8, 3)
    assert str(caught.value) == "--parts 3 does not divide --batch-size"


def test_a_job_is_one_flat_table_of_plain_values():
    job = Job(Path("run"), Decimal("0.10"), Batches(4, 2))
    assert as_plain(job) == {"batch_size": 4, "folder": "run", "parts": 2, "ratio": "0.10", "sizes": [3, 4]}


def test_two_parts_with_the_same_field_are_refused():
    @dataclass(frozen=True)
    class Twice:
        first: Batches
        second: Batches

    with pytest.raises(ValueError, match="two parts of Twice have a field 'batch_size'"):
        as_plain(Twice(Batches(), Batches()))


@pytest.mark.parametrize("value", ["/tmp/{gpu}/nix", r"^(\w{3})_{x}{}", "{}", "{{data_dir}}"])
def test_braces_of_a_value_are_no_field(value: str):
    with fields_called(flag):
        assert str(SettingsError("{data_dir} {} is no folder, {}", value, 3)) == f"--data-dir {value} is no folder, 3"
    assert str(SettingsError("{data_dir} {} is no folder", value)) == f"data_dir {value} is no folder"
