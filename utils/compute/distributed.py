"""Several processes in a neutral form: in a single one, every function here answers as if there were no others.

Started by `torchrun`, each process works on its share of a batch. Losses divide local sums by counts over all
processes, so that the sum of the processes' gradients is the gradient of one process on the whole batch.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from utils.compute.meeting import Meeting, lost

T = TypeVar("T")


_meeting: Meeting | None = None  # of several processes


def start(device_type: str, deadline: timedelta | None = None) -> None:
    """Join the other processes where `torchrun` started several: nccl on CUDA, gloo on the CPU.

    Args:
        device_type: `cuda` or `cpu`.
        deadline: of a message, from the first process that sends it to the last; None: torch's own, 10 minutes with
            nccl and 30 with gloo. `barrier`, `main_first`, `from_main` and `gather_batches` wait without one.
    """
    global _meeting
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device_type == "cuda" else "gloo", timeout=deadline)
        _meeting = Meeting(rank(), world_size())


def stop() -> None:
    """Leave the other processes."""
    global _meeting
    if dist.is_initialized():
        if _meeting is not None:
            _meeting.close()
            _meeting = None
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, 0 in a single process."""
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    """This process's number on its machine; it names the GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world_size() -> int:
    """Number of processes on this machine, as `torchrun` started them."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_main() -> bool:
    """Whether this process prints and writes."""
    return rank() == 0


def barrier() -> None:
    """Wait for the other processes, however long their work takes.

    Raises:
        LostProcessError: one of them ended.
    """
    if _meeting is not None:
        _meeting.wait_for_all()
    if dist.is_initialized():
        with others_alive():
            dist.barrier()  # the store may end with the first process, and is not asked any more by the others


@contextmanager
def _awaited() -> Iterator[None]:
    """Around work that others wait for: they are told where it fails."""
    try:
        yield
    except BaseException:
        if _meeting is not None:
            _meeting.say_ended()
        raise


@contextmanager
def others_alive() -> Iterator[None]:
    """Around every message: where another process has failed, this one ends too, and leaves the explaining to it.

    Raises:
        LostProcessError: a message did not get through.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error).lower():  # its errors have no own type
            raise
        raise lost(rank()) from error


def main_first(work: Callable[[], T]) -> T:
    """Let the main process do something first, such as building a cache that the others then find."""
    if is_main():
        with _awaited():
            result = work()
        barrier()
        return result
    barrier()
    return work()


def from_main(work: Callable[[], T]) -> T:
    """Let the main process do something alone, such as deciding, and give its result to all."""
    if not dist.is_initialized():
        return work()
    result: list[T | None] = [None]
    if is_main():
        with _awaited():
            result = [work()]
    barrier()
    with others_alive():
        dist.broadcast_object_list(result, src=0)
    return cast(T, result[0])


def gather_objects(value: T) -> list[T]:
    """What each process has, small and plain, in the order of their ranks; all of them have to ask."""
    if not dist.is_initialized():
        return [value]
    values: list[T | None] = [None] * world_size()
    with others_alive():
        dist.all_gather_object(values, value)
    return cast(list[T], values)


def any_process(flag: bool) -> bool:
    """Whether the flag is up in any process; all of them have to ask."""
    return total_number(flag) > 0


def total(value: Tensor) -> Tensor:
    """Sum of a detached tensor over all processes, on the tensor's own device."""
    if not dist.is_initialized():
        return value
    summed = value.detach().to(_message_device(value), copy=True)
    with others_alive():
        dist.all_reduce(summed)
    return summed.to(value.device)


def total_number(number: float) -> float:
    """Sum of a number over all processes, for each to act upon; all of them have to ask."""
    return total(torch.tensor(float(number))).item() if dist.is_initialized() else number


def _message_device(value: Tensor) -> torch.device:
    """Where a message has to lie: nccl sends from GPUs only."""
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else value.device


def gather_batches(rows: Tensor, batch_size: int, count: int) -> Tensor:
    """Put together what the processes computed on whole batches in turn: batch 0 in process 0, batch 1 in process 1, …

    Args:
        rows: this process's rows, one for each tile of its batches, shape (n, ...).
        batch_size: tiles of a batch.
        count: tiles of all batches.

    Returns:
        The rows of all tiles in their order, shape (count, ...); sums with zeros, hence exactly those computed.
    """
    if not dist.is_initialized():
        return rows
    barrier()  # shares of equally many tiles may take unequally long
    gathered = rows.new_zeros(count, *rows.shape[1:])
    gathered[torch.arange(count) // batch_size % world_size() == rank()] = rows
    return total(gathered)


def data_parallel(module: nn.Module) -> nn.Module:
    """The module with main's weights, in torch's DistributedDataParallel: `backward` averages gradients as it goes.

    All processes make it, and go forward and backward equally often, both within `others_alive`. A loss times
    `world_size` gives sums of gradients. Every forward begins with main's buffers; `share_buffers` follows the last.
    """
    if not dist.is_initialized():
        return module
    with others_alive():
        return DistributedDataParallel(module)


def share_buffers(module: nn.Module) -> None:
    """Give every process the main one's buffers, such as BatchNorm's statistics, which each collects for itself."""
    if dist.is_initialized():
        for buffer in module.buffers():
            message = buffer.detach().to(_message_device(buffer), copy=True)
            with others_alive():
                dist.broadcast(message, src=0)
            buffer.copy_(message)


def average_buffers(module: nn.Module) -> None:
    """Give every process the mean of all processes' buffers, such as BatchNorm's statistics, in one message.

    For networks that are used in evaluation mode while they train: what they say is then the same in all processes,
    and stays so where a resumed run gives them those of one.
    """
    buffers = [buffer for buffer in module.buffers() if buffer.is_floating_point()]
    if not dist.is_initialized() or not buffers:
        return
    mean = total(torch.cat([buffer.flatten() for buffer in buffers])) / world_size()
    for buffer, values in zip(buffers, mean.split([buffer.numel() for buffer in buffers]), strict=True):
        buffer.copy_(values.view_as(buffer))


def mean_over_batch(values: Tensor) -> Tensor:
    """Mean over the first dimension of the whole batch; gradients flow to this process's share only.

    Args:
        values: this process's share, shape (B, ...).
    """
    local = values.sum(dim=0)
    whole = local + (total(local) - local.detach()) if dist.is_initialized() else local
    return whole / total(values.new_full((), len(values)))


def whole_batch(values: Tensor) -> Tensor:
    """The rows of all processes, in the order of their ranks; gradients flow to this process's share only.

    Args:
        values: this process's share, shape (B, ...), equally many rows in each.
    """
    if not dist.is_initialized():
        return values
    shares = [torch.empty_like(values) for _ in range(world_size())]
    with others_alive():
        dist.all_gather(shares, values.detach().contiguous())
    shares[rank()] = values
    return torch.cat(shares)


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its sum over all processes, in one message; one without a gradient adds zeros."""
    if not dist.is_initialized():
        return
    gradients = []
    for parameter in parameters:
        if parameter.requires_grad:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    with others_alive():
        dist.all_reduce(flat)
    for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))
