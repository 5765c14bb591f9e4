"""Training that has diverged: what is wrong, in words that are the same in all processes."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor, nn

from utils.compute import distributed
from utils.finite import not_finite
from utils.suggest import first_names


def fault_of_losses(broken_step: Tensor, batch_names: Callable[[int], Mapping[str, Sequence[str]]]) -> str | None:
    """Which step's losses were not finite first, and which tiles it learned from; None where all were finite.

    Args:
        broken_step: the first such step of this process, counted from 1; 0: there is none.
        batch_names: names of the tiles of the n-th batch, by stream.
    """
    broken = [step for step in distributed.gather_objects(int(broken_step)) if step]
    if not broken:
        return None
    step = min(broken)
    tiles = "; ".join(f"{stream} {', '.join(names)}" for stream, names in batch_names(step).items())
    return f"the losses of step {step} were not finite (tiles: {tiles})"


def fault_of_networks(networks: Iterable[nn.Module], step: int) -> str | None:
    """Which tensors the last update has spoilt, whose losses come with the next step; None where all are finite.

    Args:
        networks: of this process.
        step: steps finished.
    """
    broken = [name for network in networks for name in not_finite(network.state_dict())]
    if not distributed.any_process(bool(broken)):
        return None
    where = f"{len(broken)} tensors ({first_names(broken)})" if broken else "the networks of another process"
    return f"NaN or infinite values in {where} after step {step}"
