"""Several processes on the CPU, forked from this one, against a single process."""

import multiprocessing
import os
import pickle
import signal
import socket
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model.learning.learner import Learner
from model.networks.classifier import FEATURES, Classifier
from tests.model.learning.test_learner import Batch, in_batches, make_tiles
from utils.compute import distributed
from utils.compute.meeting import Meeting
from utils.errors import DataError, LostProcessError

TIMEOUT = 60  # seconds


def in_processes(
    count: int, work: Callable[[], Any], killed: int | None = None, deadline: timedelta | None = None
) -> list[Any]:
    """What `work` returns in each of several processes that torchrun's variables tell of one another.

    Of the one that is going to be killed, None is returned. The deadline is that of their messages.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(count)]

    def run(rank: int) -> None:
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        os.environ.update(address, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count))
        try:
            distributed.start("cpu", deadline)
            answer = (work(), None)
        except BaseException:
            answer = (None, traceback.format_exc())
        try:
            pipes[rank][1].send_bytes(pickle.dumps(answer))  # tensors by value: their process ends
        finally:
            distributed.stop()

    processes = [context.Process(target=run, args=(rank,), daemon=True) for rank in range(count)]
    try:
        for process in processes:
            process.start()
        answering = [reader for rank, (reader, _) in enumerate(pipes) if rank != killed]
        assert all(reader.poll(TIMEOUT) for reader in answering), "a process does not answer"
        answers = [pickle.loads(r.recv_bytes()) if r in answering else (None, None) for r, _ in pipes]
    finally:
        for process in processes:
            process.join(10)
            process.kill()
    assert not any(error for _, error in answers), next(error for _, error in answers if error)
    return [answer for answer, _ in answers]


def test_in_a_single_process_every_function_answers_for_itself():
    value = torch.rand(3)
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    assert distributed.total(value) is value
    assert distributed.gather_batches(value, 2, 3) is value
    assert distributed.from_main(lambda: 5) == 5
    assert (distributed.any_process(True), distributed.any_process(False)) == (True, False)


def test_processes_agree_and_share():
    def work() -> tuple[Any, ...]:
        rank = distributed.rank()
        norm = nn.BatchNorm1d(2)
        norm.running_mean.fill_(rank + 1)
        distributed.share_buffers(norm)
        norm.running_var.copy_(torch.tensor([rank, 5.0]))
        distributed.average_buffers(norm)
        return (
            distributed.from_main(lambda: ["decided", rank]),
            distributed.any_process(rank == 1),
            distributed.any_process(False),
            distributed.total(torch.tensor([1.0, rank])).tolist(),
            norm.running_mean.tolist(),
            norm.running_var.tolist(),
        )

    assert in_processes(2, work) == [(["decided", 0], True, False, [2, 1], [1, 1], [0.5, 5])] * 2


DEADLINE = timedelta(seconds=1)


def test_others_wait_longer_than_a_message_may_take():
    """For what the main process does first, or alone, and for shares that take longer."""

    def slowly(value: str) -> str:
        if distributed.is_main():
            time.sleep(1.2)
        return value

    def work() -> list[Any]:
        answers = [distributed.main_first(lambda: slowly("decoded")), distributed.from_main(lambda: slowly("chosen"))]
        slowly("share")
        return [*answers, distributed.gather_batches(torch.ones(1), 1, 2).tolist()]

    assert in_processes(2, work, deadline=DEADLINE) == [["decoded", "chosen", [1, 1]]] * 2


@pytest.mark.parametrize("section", [distributed.main_first, distributed.from_main])
def test_work_of_the_main_process_that_fails_ends_the_others_at_once(section):
    def work() -> str:
        def fail() -> None:
            raise DataError("the set is damaged")

        try:
            section(fail)
        except (DataError, LostProcessError) as error:
            return f"{type(error).__name__}: {error}"
        return "nothing happened"

    main, other = in_processes(2, work)
    assert main == "DataError: the set is damaged"
    assert other.startswith("LostProcessError: process 1 ends because another one did")


@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_is_killed_is_noticed_by_those_that_wait(monkeypatch, killed):
    """The main process holds the store; another one is missed for its signs of life."""
    monkeypatch.setattr(distributed, "Meeting", partial(Meeting, beat=0.05, patience=0.5))

    def work() -> str:
        distributed.barrier()
        if distributed.rank() == killed:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            distributed.barrier()
        except LostProcessError as error:
            return str(error)
        return "nothing happened"

    answers = in_processes(2, work, killed)
    assert answers[1 - killed].startswith(f"process {1 - killed} ends because another one did")


@pytest.mark.parametrize("count", [1, 4, 5, 11])
def test_batches_taken_in_turn_come_back_in_order(count):
    rows = torch.rand(count, 3)

    def work() -> Tensor:
        mine = rows.split(2)[distributed.rank() :: 2]
        return distributed.gather_batches(torch.cat(mine) if mine else rows[:0], 2, count)

    for gathered in in_processes(2, work):
        assert torch.equal(gathered, rows)


def plain_learner() -> Learner:
    """A network without statistics of a batch, so that shares of a batch add up."""
    torch.manual_seed(0)
    classifier = Classifier("tiny", 2)
    classifier.network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(3 * 4 * 4, FEATURES))
    return Learner(classifier, torch.device("cpu"), "fp32", learning_rate=0.001, momentum=0.9)


def test_shares_of_a_batch_teach_what_the_whole_batch_does():
    """The last batches have one tile: the share of the second process is empty."""
    batches = [*in_batches(make_tiles(10, size=(8, 8)), 3)] * 2

    def share(batch: Batch) -> Batch | None:
        mine = Batch(*(field[distributed.rank() :: 2] for field in batch))
        return mine if len(mine.label) else None

    def work() -> tuple[float, dict[str, Tensor]]:
        learner = plain_learner()
        return learner.fit([share(batch) for batch in batches]), learner.state_dict()["classifier"]

    alone = plain_learner()
    expected = alone.fit(batches)
    for loss, weights in in_processes(2, work):
        assert loss == pytest.approx(expected, abs=1e-5)
        for name, tensor in alone.classifier.state_dict().items():
            torch.testing.assert_close(weights[name], tensor, atol=1e-6, rtol=1e-4, msg=name)


def test_a_share_without_tiles_teaches_nothing_and_spoils_nothing():
    tiles = make_tiles(4, size=(16, 16))

    def work() -> tuple[Tensor, Tensor, bool]:
        torch.manual_seed(0)
        learner = Learner(Classifier("tiny", 2), torch.device("cpu"), "fp32", learning_rate=0.001, momentum=0.9)
        norm = next(m for m in learner.classifier.modules() if isinstance(m, nn.BatchNorm2d))
        norm.running_mean.fill_(1e38)  # with it, any image is too much
        batches = [tiles, tiles if distributed.is_main() else None]
        first, second = [norm.running_mean.clone() for _ in learner.fit_batches(batches)]
        return first, second, all(parameter.isfinite().all() for parameter in learner.classifier.parameters())

    (first, second, is_finite), (of_the_other, still_of_the_other, is_finite_there) = in_processes(2, work)
    assert not torch.equal(first, second)
    assert torch.equal(of_the_other, still_of_the_other)
    assert is_finite
    assert is_finite_there


def test_processes_score_a_pool_exactly_as_one_does():
    learner, batches = plain_learner(), in_batches(make_tiles(9, size=(8, 8)), 2)
    expected = learner.score(batches, passes=3, with_features=True)

    def work() -> list[Tensor]:
        scores = learner.score(batches[distributed.rank() :: 2], passes=3, with_features=True)
        return [distributed.gather_batches(part, 2, 9) for part in scores]

    for gathered in in_processes(2, work):
        for part, whole in zip(gathered, expected, strict=True):
            assert torch.equal(part, whole)
