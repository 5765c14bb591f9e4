"""Train s4GAN on few labelled tiles and all the others.

    python tools/train_s4gan.py --dataset ucm --labeled-ratio 0.05 --threshold-st 0.6 --num-classes 18 \\
        --data-dir datasets/ucm --data-list datasets/ucm/train.txt --batch-size 10 --num-steps 20000 \\
        --restore-from pretrained_models/resnet101-63fe2227.pth --save-pred-every 100 \\
        --active-learning --active-learning-images-array active_learning/UCM/margin_names_0.05_0.1_0.5.npy
    torchrun --nproc_per_node=4 tools/train_s4gan.py ...

Writes checkpoint<step>.pth (generator) and checkpoint<step>_D.pth (discriminator) to --checkpoint-dir, named by the
steps finished; last.pth, from which --resume goes on; the options, the labelled names, metrics.csv and pictures.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli import train_options
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    return train_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import torch
from torch import nn

from data.descriptions import Description
from data.labelled import require_labelled_pixels
from data.reader import TileReader, names_with_masks
from data.samplers import EndlessBatches, build_loader
from data.samples import SegmentationSample, SegmentationTiles
from data.splits import random_names, read_names, read_names_array
from data.tiles import Tiles, open_tiles
from data.transforms import segmentation_training
from model.methods import method_class
from model.methods.method import Method
from model.methods.settings import Execution, MethodSettings, S4GANSettings
from model.networks.deeplabv2 import DeepLabV2
from model.weights.defaults import default_weights
from model.weights.files import read_state_dict
from model.weights.loading import is_generator_checkpoint, load_backbone, load_network
from tools.cli.mask_remarks import say_mask_remarks
from tools.cli.next_command import NextStep, evaluation, prediction
from tools.cli.shared_options import (
    check_num_classes,
    resolve_cache,
    resolve_description,
    resolve_device,
    resolve_workers,
)
from tools.cli.train_options import method_settings
from tools.s4gan_run import TrainingRun
from utils import distributed
from utils.console import say
from utils.device import uses_tf32
from utils.errors import DataError, OptionError
from utils.precision import resolve_precision
from utils.progress import Progress
from utils.runs.folder import RunFolder
from utils.runs.interrupt import StopRequest
from utils.runs.record import read_record
from utils.runs.seeds import seed_everything
from utils.selection.budget import labelled_count


def train(args: argparse.Namespace) -> int:
    """Train both networks and write checkpoints; returns the exit code."""
    device = resolve_device(args)
    distributed.start(device.type)
    check_processes(args, device)
    folder = RunFolder(args.checkpoint_dir)
    with folder.claim(args.resume, args.overwrite):
        if args.resume:
            distributed.from_main(folder.check_state)  # not before: a killed --overwrite is undone by `claim`
        return train_in(folder, args, device)


def train_in(folder: RunFolder, args: argparse.Namespace, device: torch.device) -> int:
    """Train in a folder that is this process's own; returns the exit code."""
    precision, tf32 = resolve_precision(args.precision, device), uses_tf32(device)
    description = resolve_description(args)
    check_num_classes(args.num_classes, description.num_classes, "pixel classes")
    description = description.ignoring(args.ignore_label)
    names = read_names(args.data_list, description)
    labelled_names = choose_labelled(args, description, names)
    tiles = distributed.main_first(
        lambda: open_tiles(description, args.data_dir, names, labelled_names, resolve_cache(args))
    )
    require_labelled_pixels(tiles.masks, "the labelled tiles")
    labelled, unlabelled = tiles.labelled_positions()
    supervised = args.supervised_only or not unlabelled
    if not unlabelled and not args.supervised_only:
        say("every tile is labelled: training on labelled tiles alone, as with --supervised-only")

    seed_everything(args.random_seed)
    generator = DeepLabV2(description.num_classes, args.backbone)
    from_imagenet = restore_generator(args, generator)
    if args.sync_bn:
        generator = nn.SyncBatchNorm.convert_sync_batchnorm(generator)
    name = "supervised" if supervised else "s4gan"
    execution = Execution(precision, args.compile, freeze_affine=from_imagenet)
    method = method_class(name).build(
        generator, description.num_classes, method_settings(args, name), device, execution
    )
    restore_discriminator(args, method)
    torch.manual_seed(args.random_seed + distributed.rank())  # each process drops out for itself

    training = TrainingRun(args, folder, description, tiles, method, from_imagenet)
    try:
        first_step = training.resume() if args.resume else training.begin()
        say_mask_remarks(tiles, training.validation)
        machine = f"{precision}{', float32 in TF32' if tf32 else ''} on {device}{in_processes()}"
        say(
            f"{len(labelled)} labelled and {0 if supervised else len(unlabelled)} unlabelled tiles; {args.backbone}, "
            f"{machine}; {args.num_steps} steps, {in_words(method.settings)}"
        )
        labelled_batches = training_batches(args, tiles, labelled, "labelled", device, first_step)
        unlabelled_batches = (
            None if supervised else training_batches(args, tiles, unlabelled, "unlabelled", device, first_step)
        )
        with StopRequest(args.max_hours, training.unsaved) as stop:
            finished = loop(args, training, labelled_batches, unlabelled_batches, first_step, stop)
            training.finish(finished)
    except BaseException:
        training.close()
        raise
    code = report(args, training, finished, stop)
    distributed.stop()
    return code


def loop(
    args: argparse.Namespace,
    training: TrainingRun,
    labelled_batches: Iterator[SegmentationSample],
    unlabelled_batches: Iterator[SegmentationSample] | None,
    first_step: int,
    stop: StopRequest,
) -> int:
    """Step until the end or until asked to stop; returns the number of steps finished."""
    with Progress(args.num_steps, "training", "step", first_step, leave=True) as progress:
        for step in range(first_step, args.num_steps):
            started = time.perf_counter()
            labelled = next(labelled_batches)
            unlabelled = next(unlabelled_batches) if unlabelled_batches is not None else None
            waited = time.perf_counter() - started
            losses = training.method.train_step(labelled, unlabelled, step)
            finished = step + 1  # files and log lines are named by steps finished
            values = training.after_step(finished, losses, waited)
            if values is not None:
                progress.show({name: value for name, value in values.items() if name.startswith("loss")})
            progress.update()
            if stop_agreed(stop, finished, every=args.log_every if training.method.device.type == "cuda" else 1):
                return finished
    return args.num_steps


def stop_agreed(stop: StopRequest, finished: int, every: int) -> bool:
    """Whether to end after this step; several processes ask one another `every` so many steps, and end together."""
    if distributed.world_size() == 1:
        return stop.reason is not None
    return finished % every == 0 and distributed.any_process(stop.reason is not None)


def check_processes(args: argparse.Namespace, device: torch.device) -> None:
    """Refuse what several processes, or this device, cannot do.

    Raises:
        OptionError: the batch cannot be shared out, or BatchNorm not be synchronised.
    """
    processes = distributed.world_size()
    if args.batch_size % (processes * args.accumulate):
        parts = f"{processes} processes" + (f" of {args.accumulate} parts each" if args.accumulate > 1 else "")
        raise OptionError(f"--batch-size {args.batch_size} is that of all processes, and does not divide by {parts}")
    if args.sync_bn and device.type != "cuda":
        raise OptionError(f"--sync-bn works on CUDA only, and this run is on the {device.type}; leave it out")


def in_words(settings: MethodSettings) -> str:
    """What a method makes of the unlabelled tiles, and from when on."""
    if isinstance(settings, S4GANSettings):
        return f"self-training from step {settings.self_training_start}"
    return "labelled tiles alone"


def in_processes() -> str:
    """What to add to the device where it is not alone."""
    return f" in {distributed.world_size()} processes" if distributed.world_size() > 1 else ""


def choose_labelled(args: argparse.Namespace, description: Description, names: Sequence[str]) -> list[str]:
    """Names of the labelled tiles: the active learner's, a random share, or all.

    Raises:
        DataError: fewer tiles have a mask than are needed.
    """
    asked = labelled_count(args.labeled_ratio, len(names)) if args.labeled_ratio is not None else None
    if args.active_learning:
        chosen = read_names_array(args.active_learning_images_array, description, names, args.data_list)
        if asked is not None and len(chosen) != asked:
            say(
                f"warning: {args.active_learning_images_array} holds {len(chosen)} names, but --labeled-ratio "
                f"{args.labeled_ratio} of {len(names)} tiles is {asked}; the names are used",
                file=sys.stderr,
            )
        return chosen
    if asked is None:
        return list(names)
    reader = TileReader(description, args.data_dir, (0, 0))
    with_masks = names_with_masks(reader, names)
    if len(with_masks) < asked:
        expected = "" if with_masks else f" (the first would be {reader.mask_path(names[0])})"
        raise DataError(
            f"--labeled-ratio {args.labeled_ratio} asks for {asked} labelled tiles, but only {len(with_masks)} of "
            f"{len(names)} have a mask{expected}; draw more masks or lower the ratio"
        )
    return random_names(with_masks, asked, args.random_seed)


def restore_generator(args: argparse.Namespace, generator: DeepLabV2) -> bool:
    """Load the weights that the options name and say what was loaded; whether they were ImageNet's.

    Raises:
        OptionError: no such file.
        DataError: anything of the backbone would not load.
    """
    if args.resume:
        record = read_record(RunFolder(args.checkpoint_dir).options)
        if has_state(args):
            return bool(record.imagenet_weights)
    source = args.restore_from
    if source is None and (default := default_weights(args.backbone)) is not None:
        if not default.is_file():
            raise OptionError(
                f"--restore-from was not given and {default} is not there; fetch it (pretrained_models/README.md), "
                "give a file, or train from scratch with --restore-from none"
            )
        source = str(default)
    if source is None or source.lower() == "none":
        say(f"{args.backbone} starts from random weights (--restore-from none)")
        return False
    if is_generator_checkpoint(read_state_dict(source)):
        say(str(load_network(generator, Path(source))))
        return False
    say(str(load_backbone(generator.backbone, Path(source))))
    return True


def restore_discriminator(args: argparse.Namespace, method: Method) -> None:
    """Load `--restore-from-D`, unless a state is going to replace it.

    Raises:
        OptionError: the method has no discriminator.
        DataError: the file is damaged or of another network.
    """
    if args.restore_from_D is None:
        return
    discriminator = method.networks().get("_D")
    if discriminator is None:
        raise OptionError("--restore-from-D: without unlabelled tiles there is no discriminator; leave it out")
    if not has_state(args):
        say(str(load_network(discriminator, Path(args.restore_from_D))))


def has_state(args: argparse.Namespace) -> bool:
    """Whether a state is going to replace the weights; a run killed before it saved one starts from weights again."""
    return bool(args.resume and RunFolder(args.checkpoint_dir).last.exists())


def training_batches(
    args: argparse.Namespace, tiles: Tiles, indices: list[int], stream: str, device: torch.device, first_step: int
) -> Iterator[SegmentationSample]:
    """Batches without end from one stream of draws, beginning where `first_step` stands."""
    transform = segmentation_training(args.input_size, args.random_scale, args.random_mirror)
    dataset = SegmentationTiles(tiles, transform, args.random_seed, stream)
    share = (distributed.rank(), distributed.world_size())
    batches = EndlessBatches(indices, args.batch_size, args.random_seed, stream, first_step, *share)
    workers = resolve_workers(args, device, loaders=2)  # labelled and unlabelled
    return iter(build_loader(dataset, batches, workers, pin_memory=device.type == "cuda"))


def report(args: argparse.Namespace, training: TrainingRun, finished: int, stop: StopRequest) -> int:
    """Say where things are and how to go on; returns the exit code, the same in all processes."""
    if finished < args.num_steps:
        reason = stop.reason or "another process was asked to end"
        say(f"{reason}: state saved after step {finished}; the same command with --resume goes on")
        return max(distributed.gather_objects(stop.exit_code))
    say(f"checkpoints, curves and pictures: {args.checkpoint_dir}")
    if (following := next_step(args, training)) is not None:
        say(str(following))
    return 0


def next_step(args: argparse.Namespace, training: TrainingRun) -> NextStep | None:
    """Find the best checkpoint, in the window that validation used; or predict with the one that somebody kept."""
    tile_size = training.tiles.reader.tile_size
    window = (max(args.input_size[0], tile_size[0]), max(args.input_size[1], tile_size[1]))
    steps = training.folder.steps()
    if not steps:
        best = training.folder.best
        return prediction(args.dataset, args.data_dir, args.data_list, best, None, None) if best.is_file() else None
    places = (args.data_dir, args.data_list, training.description, args.checkpoint_dir)
    return evaluation(args.dataset, *places, steps, window, args.val_list)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(train, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
