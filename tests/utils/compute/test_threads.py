import time
from contextlib import closing

import pytest

from utils.compute.threads import in_threads, stream_in_threads


def test_results_come_in_the_order_of_the_items():
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3 == 0))  # the first of each three is the last to be done
        return item * item

    assert in_threads(work, range(100), "squaring", "number", threads=3) == [n * n for n in range(100)]
    assert in_threads(work, [], "squaring", "number") == []


def test_the_first_error_ends_the_work():
    seen = []

    def work(item: int) -> None:
        seen.append(item)
        if item == 2:
            raise ValueError("two")

    with pytest.raises(ValueError, match="two"):
        in_threads(work, range(1000), "working", "item", threads=1)
    assert len(seen) < 100


def test_a_stream_begins_little_more_than_is_taken_from_it():
    seen = []
    with closing(stream_in_threads(seen.append, range(1000), "working", "item", threads=1)) as stream:
        for _ in range(3):
            next(stream)
        time.sleep(0.05)
    assert 3 <= len(seen) < 100
