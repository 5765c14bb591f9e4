"""Scoring the network of a run while it trains."""

import sys

from torch.utils.data import DataLoader

from model.methods.method import Method
from utils.compute import distributed
from utils.console import say
from utils.evaluation.evaluate import IN_WINDOWS, evaluate
from utils.evaluation.metric import Scores
from utils.evaluation.views import BrokenMapsError
from utils.evaluation.windows import Windows
from utils.progress import progress


def mean_iou(method: Method, batches: DataLoader, num_classes: int, windows: Windows = IN_WINDOWS) -> float | None:
    """Mean IoU of a method's evaluated network, which is left in evaluation mode.

    Args:
        method: the networks, whose statistics are made those of the main process, as in its checkpoints.
        batches: this process's share of the tiles, with masks.
        num_classes: pixel classes.
        windows: how tiles larger than a window are read.

    Returns:
        A fraction; None, with a warning, where the network's output is not finite.
    """
    network = method.evaluated.eval()
    distributed.share_buffers(network)
    watched = progress(batches, len(batches), "validating", "batch")
    try:
        matrix, _ = evaluate(
            network,
            watched,
            num_classes,
            method.device,
            method.execution.precision,
            pixels=method.pixels,
            windows=windows,
        )
    except BrokenMapsError as error:
        say(f"warning: not validated: {error}", file=sys.stderr)
        return None
    return Scores.of(distributed.total(matrix.counts).cpu()).mean_iou
