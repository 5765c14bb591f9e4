from collections.abc import Iterator
from functools import partial

import pytest

from tests.utils.compute.test_distributed import in_processes
from utils.compute import distributed
from utils.compute.turns import in_turn
from utils.errors import DataError


def test_a_single_process_takes_every_turn():
    assert list(in_turn(iter("abc"), 3)) == ["a", "b", "c"]


def squares(count: int, broken: int | None = None) -> Iterator[int]:
    for number in range(distributed.rank(), count, distributed.world_size()):
        if number == broken:
            raise DataError(f"{number} is broken")
        yield number**2


def shared(count: int, broken: int | None = None) -> tuple[list[int], str]:
    found: list[int] = []
    try:
        found.extend(in_turn(squares(count, broken), count))
    except DataError as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_all_processes_get_all_items_in_order(count: int):
    expected = ([number**2 for number in range(count)], "")
    assert in_processes(2, partial(shared, count)) == [expected, expected]


def test_an_error_of_one_ends_all_when_its_turn_comes():
    answers = in_processes(2, partial(shared, 6, broken=3))
    assert [error for _, error in answers] == ["3 is broken"] * 2
    assert answers[0] == answers[1]
