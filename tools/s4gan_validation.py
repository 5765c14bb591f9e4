"""The validation list of a training run: the tiles that its checkpoints are compared on while it trains."""

import argparse
import sys
from collections.abc import Collection

from data.descriptions import Description
from data.labelled import require_labelled_pixels
from data.samplers import OrderedBatches, build_loader
from data.splits import read_names
from data.tiles import SegmentationTiles, Tiles, open_tiles
from data.transforms import segmentation_evaluation
from model.methods.method import Method
from tools.cli.shared_options import resolve_cache
from utils import distributed
from utils.console import say
from utils.evaluation.evaluate import BrokenMapsError, evaluate
from utils.evaluation.metric import Scores
from utils.evaluation.notes import on_labelled_tiles
from utils.progress import progress


def open_validation(args: argparse.Namespace, description: Description, labelled: Collection[str]) -> Tiles | None:
    """The tiles of `--val-list`, or None where there is none; says how many of them are learned from.

    Args:
        args: the command's options.
        description: the data set, without the label that is ignored.
        labelled: names of the labelled training tiles.

    Raises:
        OptionError: no such file.
        DataError: a tile has no mask, a file cannot be used, or no pixel has a class.
    """
    if args.val_list is None:
        return None
    names = read_names(args.val_list, description)
    cache = resolve_cache(args)
    tiles = distributed.main_first(lambda: open_tiles(description, args.data_dir, names, names, cache))
    require_labelled_pixels(tiles.masks, f"--val-list {args.val_list}")
    if seen := on_labelled_tiles(names, labelled, args.val_list):
        say(f"warning: {seen}", file=sys.stderr)
    return tiles


def validate(method: Method, tiles: Tiles, args: argparse.Namespace) -> float | None:
    """Mean IoU of the generator, which is left in evaluation mode; the processes share the tiles.

    Returns:
        A fraction; None, with a warning, where the generator's output is not finite.
    """
    transform = segmentation_evaluation(args.input_size, tiles.reader.tile_size)
    share = (0, distributed.rank(), distributed.world_size())
    order = OrderedBatches(range(len(tiles)), args.batch_size, *share)
    batches = build_loader(SegmentationTiles(tiles, transform), order, 0, pin_memory=False)
    generator = method.evaluated.eval()
    distributed.share_buffers(generator)  # the main process's, which are those of the checkpoints
    num_classes = tiles.reader.description.num_classes
    watched = progress(batches, len(batches), "validating", "batch")
    try:
        matrix, _ = evaluate(generator, watched, num_classes, method.device, method.execution.precision)
    except BrokenMapsError as error:
        say(f"warning: not validated: {error}", file=sys.stderr)
        return None
    return Scores.of(distributed.total(matrix.counts).cpu()).mean_iou
