"""The validation list of a training run: the tiles that its checkpoints are compared on while it trains."""

import argparse

from data.descriptions import Description
from data.samplers import OrderedBatches, build_loader
from data.splits import read_names
from data.tiles import SegmentationTiles, Tiles, open_tiles
from data.transforms import segmentation_evaluation
from model.methods.s4gan import S4GAN
from tools.cli.shared_options import resolve_cache
from utils import distributed
from utils.evaluation.evaluate import evaluate
from utils.evaluation.metric import Scores
from utils.progress import progress


def open_validation(args: argparse.Namespace, description: Description) -> Tiles | None:
    """The tiles of `--val-list`, or None where there is none."""
    if args.val_list is None:
        return None
    names = read_names(args.val_list, description)
    cache = resolve_cache(args)
    return distributed.main_first(lambda: open_tiles(description, args.data_dir, names, names, cache))


def validate(s4gan: S4GAN, tiles: Tiles, args: argparse.Namespace) -> float:
    """Mean IoU of the generator, which is left in evaluation mode; the processes share the tiles."""
    transform = segmentation_evaluation(args.input_size, tiles.reader.tile_size)
    share = (0, distributed.rank(), distributed.world_size())
    order = OrderedBatches(range(len(tiles)), args.batch_size, *share)
    batches = build_loader(SegmentationTiles(tiles, transform), order, 0, pin_memory=False)
    generator = s4gan.generator.eval()
    distributed.share_buffers(generator)  # the main process's, which are those of the checkpoints
    num_classes = tiles.reader.description.num_classes
    watched = progress(batches, len(batches), "validating", "batch")
    matrix, _ = evaluate(
        generator,
        watched,
        num_classes,
        s4gan.device,
        s4gan.settings.precision,
    )
    return Scores.of(distributed.total(matrix.counts).cpu()).mean_iou or 0.0
