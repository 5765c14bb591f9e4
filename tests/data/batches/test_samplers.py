import itertools
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.batches.samplers import Draw, EndlessBatches, EpochBatches, OrderedBatches, build_loader, generator
from data.batches.samples import SegmentationSample, SegmentationTiles
from data.batches.transforms import segmentation_training
from data.dataset_json import load_description
from data.tiles import open_tiles
from tests.conftest import TinySet


def first(batches: EndlessBatches, count: int) -> list[list[Draw]]:
    return list(itertools.islice(batches, count))


@pytest.fixture
def samples(custom_set: TinySet) -> SegmentationTiles:
    description = load_description("custom", custom_set.folder)
    tiles = open_tiles(description, custom_set.folder, custom_set.names, custom_set.names)
    return SegmentationTiles(tiles, segmentation_training((24, 24), True, True), seed=7, stream="labelled")


def load(samples: SegmentationTiles, batches: EndlessBatches, workers: int, count: int) -> list[SegmentationSample]:
    loader = build_loader(samples, batches, workers, pin_memory=False)
    return [SegmentationSample(*batch) for batch in itertools.islice(loader, count)]


def assert_equal(one: list[SegmentationSample], other: list[SegmentationSample]) -> None:
    assert len(one) == len(other) > 0
    for batch, other_batch in zip(one, other, strict=True):
        for field, other_field in zip(batch, other_batch, strict=True):
            assert torch.equal(field, other_field)


# --- orders ----------------------------------------------------------------------------------------------------------


@given(tiles=st.integers(1, 30), batch_size=st.integers(1, 12), seed=st.integers(0, 2**40), epochs=st.integers(1, 3))
def test_every_tile_comes_once_per_epoch_though_batches_run_across_epochs(
    tiles: int, batch_size: int, seed: int, epochs: int
):
    indices = range(100, 100 + tiles)
    batches = EndlessBatches(indices, batch_size, seed, "order")
    draws = [draw for batch in first(batches, -(-tiles * epochs // batch_size)) for draw in batch]
    assert [draw.number for draw in draws] == list(range(len(draws)))
    for epoch in range(epochs):
        assert sorted(draw.tile for draw in draws[epoch * tiles : (epoch + 1) * tiles]) == list(indices)


def test_epochs_seeds_and_streams_have_orders_of_their_own():
    def order(seed: int, stream: str, epoch: int = 0) -> tuple[int, ...]:
        batches = EndlessBatches(range(40), 40, seed, stream)
        return tuple(draw.tile for draw in batches.batch(epoch))

    assert order(1, "labelled") == order(1, "labelled")
    assert len({order(1, "labelled"), order(1, "labelled", 1), order(2, "labelled"), order(1, "unlabelled")}) == 4


def test_random_numbers_depend_on_seed_stream_and_position():
    def number(*key: object) -> float:
        return generator(*key).random()

    assert number(1, "a", 5) == number(1, "a", 5)
    assert len({number(1, "a", 5), number(2, "a", 5), number(1, "b", 5), number(1, "a", 6)}) == 4
    assert Draw(3, 5).generator(1, "a").random() == Draw(9, 5).generator(1, "a").random() == number(1, "a", 5)


@given(st.integers(1, 20), st.integers(1, 8), st.integers(0, 30))
def test_starting_at_a_batch_equals_running_up_to_it(tiles: int, batch_size: int, start: int):
    through = first(EndlessBatches(range(tiles), batch_size, 5, "order"), start + 3)
    assert first(EndlessBatches(range(tiles), batch_size, 5, "order", first_batch=start), 3) == through[start:]


@given(tiles=st.integers(1, 20), share=st.integers(1, 4), world_size=st.integers(2, 4))
def test_processes_together_have_the_batch_of_one(tiles: int, share: int, world_size: int):
    batch_size = share * world_size
    alone = first(EndlessBatches(range(tiles), batch_size, 5, "order"), 4)
    ranks = [
        first(EndlessBatches(range(tiles), batch_size, 5, "order", rank=rank, world_size=world_size), 4)
        for rank in range(world_size)
    ]
    assert [list(itertools.chain(*shares)) for shares in zip(*ranks, strict=True)] == alone


def test_a_batch_that_processes_cannot_share_and_an_empty_set_are_refused():
    with pytest.raises(ValueError, match="batch of 10 cannot be shared by 4 processes"):
        EndlessBatches(range(5), 10, 0, "order", world_size=4)
    with pytest.raises(ValueError, match="no tiles"):
        EndlessBatches([], 10, 0, "order")


def test_fewer_tiles_than_a_batch_fill_it_evenly():
    batch = EndlessBatches([4, 8, 9], 10, 0, "order").batch(0)
    assert len(batch) == 10
    assert sorted(Counter(draw.tile for draw in batch).values()) == [3, 3, 4]
    assert len({draw.number for draw in batch}) == 10


def test_an_order_sent_to_another_process_stays_the_same():
    batches = EndlessBatches(range(9), 4, 5, "order", first_batch=2, rank=1, world_size=2)
    assert first(pickle.loads(pickle.dumps(batches)), 5) == first(batches, 5)


def test_ordered_batches_keep_the_order_and_the_short_end():
    batches = OrderedBatches([5, 3, 9, 1, 7], 2)
    assert [[draw.tile for draw in batch] for batch in batches] == [[5, 3], [9, 1], [7]]
    assert len(batches) == 3


def test_epoch_batches_are_whole_epochs_each_in_its_own_order():
    batches = EpochBatches(list(range(50, 57)), 3, epochs=2, seed=5, stream="order")
    drawn = list(batches)
    assert [len(batch) for batch in drawn] == [3, 3, 1, 3, 3, 1]
    assert len(batches) == 6
    draws = [draw for batch in drawn for draw in batch]
    assert [draw.number for draw in draws] == list(range(14))
    orders = [[draw.tile for draw in draws[:7]], [draw.tile for draw in draws[7:]]]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(50, 57))
    assert orders[0] != orders[1]
    assert list(EpochBatches(list(range(50, 57)), 3, epochs=2, seed=5, stream="order")) == drawn
    assert list(EpochBatches(list(range(50, 57)), 3, epochs=2, seed=6, stream="order")) != drawn


def test_ordered_batches_start_where_asked_and_are_dealt_out_whole():
    def tiles(**place: int) -> list[list[int]]:
        batches = OrderedBatches([5, 3, 9, 1, 7], 2, **place)
        drawn = [[draw.tile for draw in batch] for batch in batches]
        assert len(drawn) == len(batches)
        return drawn

    assert tiles(first_batch=1) == [[9, 1], [7]]
    assert tiles(first_batch=3) == []
    assert tiles(rank=0, world_size=2) == [[5, 3], [7]]
    assert tiles(rank=1, world_size=2) == [[9, 1]]
    assert tiles(rank=1, world_size=2, first_batch=1) == [[7]]


@given(tiles=st.integers(1, 20), batch_size=st.integers(1, 8), start=st.integers(0, 12), world_size=st.integers(1, 4))
def test_epoch_batches_resume_and_are_shared(tiles: int, batch_size: int, start: int, world_size: int):
    epochs = 3
    through = list(EpochBatches(range(tiles), batch_size, epochs, 5, "order"))
    start = min(start, len(through))
    shares = [
        EpochBatches(range(tiles), batch_size, epochs, 5, "order", start, rank, world_size)
        for rank in range(world_size)
    ]
    assert [len(share) for share in shares] == [len(through) - start] * world_size
    together = [sorted(itertools.chain(*batch)) for batch in zip(*shares, strict=True)]
    assert together == [sorted(batch) for batch in through[start:]]


@given(tiles=st.integers(0, 12), batch_size=st.integers(1, 5), start=st.integers(0, 9))
def test_epoch_batches_started_later_are_the_rest(tiles: int, batch_size: int, start: int):
    through = list(EpochBatches(range(tiles), batch_size, 2, 5, "order"))
    rest = EpochBatches(range(tiles), batch_size, 2, 5, "order", first_batch=min(start, len(through)))
    assert list(rest) == through[start:]
    assert len(rest) == len(through[start:])


@given(tiles=st.integers(1, 12), batch_size=st.integers(1, 5), world_size=st.integers(2, 4))
def test_processes_share_every_epoch_batch_and_take_ordered_ones_in_turn(tiles: int, batch_size: int, world_size: int):
    alone = list(EpochBatches(range(tiles), batch_size, 2, 5, "order"))
    shares = [list(EpochBatches(range(tiles), batch_size, 2, 5, "order", 0, r, world_size)) for r in range(world_size)]
    for batch, parts in zip(alone, zip(*shares, strict=True), strict=True):
        assert sorted(itertools.chain(*parts)) == sorted(batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    ordered = list(OrderedBatches(range(tiles), batch_size))
    turns = [list(OrderedBatches(range(tiles), batch_size, 1, rank, world_size)) for rank in range(world_size)]
    for rank, batches in enumerate(turns):
        assert batches == ordered[1 + rank :: world_size]
        assert len(batches) == len(OrderedBatches(range(tiles), batch_size, 1, rank, world_size))


def test_an_empty_share_comes_through_a_loader_as_none(samples: SegmentationTiles):
    batches = EpochBatches(range(3), 2, 1, 5, "order", rank=1, world_size=2)
    for workers in (0, 1):
        loaded = list(build_loader(samples, batches, workers, pin_memory=False))
        assert [batch is None for batch in loaded] == [False, True]


def test_a_plain_position_is_a_draw_with_number_zero():
    assert Draw.of(3) == Draw(3, 0)
    assert Draw.of(np.int64(3)) == Draw(3, 0)
    assert Draw.of(Draw(3, 8)) == Draw(3, 8)


# --- through a loader ------------------------------------------------------------------------------------------------


def test_two_workers_give_the_samples_of_none(samples: SegmentationTiles):
    batches = EndlessBatches(range(4), 3, 7, "labelled")
    alone = load(samples, batches, 0, 6)
    assert_equal(load(samples, batches, 2, 6), alone)
    assert len({image.numpy().tobytes() for batch in alone for image in batch.image}) > 9  # augmented anew each time


def test_a_loader_that_resumes_gives_what_one_that_ran_through_would(samples: SegmentationTiles):
    through = load(samples, EndlessBatches(range(4), 3, 7, "labelled"), 0, 7)
    resumed = load(samples, EndlessBatches(range(4), 3, 7, "labelled", first_batch=4), 2, 3)
    assert_equal(resumed, through[4:])


def test_two_processes_have_the_samples_of_one(samples: SegmentationTiles):
    alone = load(samples, EndlessBatches(range(4), 6, 7, "labelled"), 0, 3)
    ranks = [load(samples, EndlessBatches(range(4), 6, 7, "labelled", rank=r, world_size=2), 0, 3) for r in (0, 1)]
    together = [
        SegmentationSample(*(torch.cat(fields) for fields in zip(*shares, strict=True)))
        for shares in zip(*ranks, strict=True)
    ]
    assert_equal(together, alone)


def test_an_empty_share_of_a_batch_comes_as_none(samples: SegmentationTiles):
    shares = EpochBatches(range(3), 2, epochs=1, seed=5, stream="order", rank=1, world_size=2)
    batches = list(build_loader(samples, shares, 0, pin_memory=False))
    assert [None if batch is None else len(batch.image) for batch in batches] == [1, None]


def test_a_loader_leaves_the_global_generators_alone(samples: SegmentationTiles):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load(samples, EndlessBatches(range(4), 3, 7, "labelled"), 0, 2)
    load(samples, EndlessBatches(range(4), 3, 7, "labelled"), 2, 2)
    assert torch.equal(torch.rand(4), expected)
