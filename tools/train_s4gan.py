"""Train s4GAN on few labelled tiles and all the others.

    python tools/train_s4gan.py --dataset ucm --labeled-ratio 0.05 --threshold-st 0.6 --num-classes 18 \\
        --data-dir datasets/ucm --data-list datasets/ucm/train.txt --batch-size 10 --num-steps 20000 \\
        --restore-from pretrained_models/resnet101-63fe2227.pth --save-pred-every 100 \\
        --active-learning --active-learning-images-array active_learning/UCM/margin_names_0.05_0.1_0.5.npy

Writes checkpoint<step>.pth (generator) and checkpoint<step>_D.pth (discriminator) to --checkpoint-dir, named by the
steps finished, with the options, the labelled names and metrics.csv beside them.
"""

import argparse
import csv
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from data.descriptions import Description
from data.samplers import EndlessBatches, build_loader
from data.splits import random_names, read_names, read_names_array, write_names
from data.tiles import SegmentationSample, SegmentationTiles, Tiles, open_reader, open_tiles
from data.transforms import segmentation_training
from model.backbones import BACKBONES, IMAGENET_FILES
from model.deeplabv2 import DeepLabV2
from model.discriminator import Discriminator
from model.s4gan import S4GAN, S4GANSettings
from model.weight_files import read_state_dict
from model.weights import is_generator_checkpoint, load_backbone, load_network
from tools.arguments import (
    CommandParser,
    add_data_options,
    add_machine_options,
    as_plain,
    check_num_classes,
    count,
    image_size,
    number,
    one_of,
    ratio,
    resolve_cache,
    resolve_description,
    resolve_device,
    resolve_workers,
    run,
)
from utils.budget import labelled_count
from utils.checkpoint import make_folder, save_array, save_tensors, write_json
from utils.errors import DataError, OptionError
from utils.images import IMAGENET_MEAN, IMAGENET_STD
from utils.labels import IGNORE_INDEX
from utils.precision import PRECISIONS, resolve_precision
from utils.seed import seed_everything
from utils.visualize import colourise, save_picture

METRICS = ("loss_ce", "loss_fm", "loss_st", "loss_S", "loss_D", "D_real", "D_fake", "believed")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = CommandParser(description=__doc__)
    data = add_data_options(parser, "--dataset", "--dataset-name", default=None)
    data.add_argument("--num-classes", type=count(2), metavar="N", help="pixel classes; checked, not needed")
    data.add_argument(
        "--ignore-label", type=count(0, 255), default=IGNORE_INDEX, help="mask id that is not learned from"
    )
    data.add_argument(
        "--input-size", type=image_size, default=(320, 320), metavar="H,W", help="pixels of a training crop"
    )
    data.add_argument("--random-scale", action="store_true", help="scale tiles by 0.5 to 1.6")
    data.add_argument("--random-mirror", action="store_true", help="mirror tiles left-right")

    labels = parser.add_argument_group("labelled tiles")
    labels.add_argument(
        "--labeled-ratio", type=ratio, metavar="R", help="share of the list; without names, drawn at random"
    )
    labels.add_argument("--active-learning", action="store_true", help="take the names that tools/train_AL.py chose")
    labels.add_argument(
        "--active-learning-images-array", type=Path, metavar="FILE", help="those names: .npy, or text with one a line"
    )
    labels.add_argument("--supervised-only", action="store_true", help="labelled tiles alone, no discriminator")

    training = parser.add_argument_group("networks and training")
    training.add_argument(
        "--backbone", type=one_of("backbone", list(BACKBONES)), default="resnet101", help="of the generator"
    )
    training.add_argument(
        "--restore-from",
        metavar="WEIGHTS",
        help="an ImageNet file of torchvision, one of our checkpoints, or none; default the file in pretrained_models/",
    )
    training.add_argument("--restore-from-D", metavar="WEIGHTS", help="checkpoint<step>_D.pth of the discriminator")
    training.add_argument(
        "--batch-size", type=count(), default=10, metavar="N", help="labelled, and again unlabelled, tiles"
    )
    training.add_argument("--num-steps", type=count(), default=20000, metavar="N", help="training steps")
    training.add_argument(
        "--threshold-st", type=number(0, 1), required=True, metavar="T", help="of self-training, on D"
    )
    training.add_argument(
        "--st-start", type=count(0), metavar="N", help="first step with it; default min(1000, steps/20)"
    )
    training.add_argument("--lambda-fm", type=number(0), default=0.1, help="weight of feature matching")
    training.add_argument("--lambda-st", type=number(0), default=1.0, help="weight of self-training")
    training.add_argument("--learning-rate", type=number(0, above=True), default=2.5e-4, help="of the generator's SGD")
    training.add_argument(
        "--learning-rate-D", type=number(0, above=True), default=1e-4, help="of the discriminator's Adam"
    )
    training.add_argument("--power", type=number(0), default=0.9, help="of the polynomial schedule")
    training.add_argument("--momentum", type=number(0, 1), default=0.9, help="of SGD")
    training.add_argument("--weight-decay", type=number(0), default=5e-4, help="of SGD")
    training.add_argument(
        "--bn-momentum", type=number(0, 1), default=0.1, help="share of a batch in running statistics"
    )
    training.add_argument("--freeze-bn", action="store_true", help="use the loaded running statistics as they are")

    machine = add_machine_options(parser, seed=5000)
    machine.add_argument("--cuda", action="store_true", help="ask for CUDA")
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format of the networks")

    results = parser.add_argument_group("results")
    results.add_argument(
        "--checkpoint-dir", type=Path, default=Path("checkpoint"), metavar="DIR", help="folder of the run"
    )
    results.add_argument("--overwrite", action="store_true", help="replace the run that --checkpoint-dir holds")
    results.add_argument("--save-pred-every", type=count(), default=100, metavar="N", help="steps between checkpoints")
    results.add_argument(
        "--log-every", type=count(), default=10, metavar="N", help="steps between lines of metrics.csv"
    )
    results.add_argument("--save-viz", action="store_true", help="write pseudo-labels that the discriminator believes")
    results.add_argument(
        "--generator-viz-dir", type=Path, default=Path("visualization"), metavar="DIR", help="folder of them"
    )
    results.add_argument("--save-after-iter", type=count(0), default=1000, metavar="N", help="first step to write them")
    args = parser.parse_args(argv)
    if args.active_learning and args.active_learning_images_array is None:
        parser.error("--active-learning needs --active-learning-images-array, the names that tools/train_AL.py chose")
    if args.active_learning_images_array is not None and not args.active_learning:
        parser.error(
            "--active-learning-images-array is used with --active-learning only; add it, or leave the array out"
        )
    return args


def train(args: argparse.Namespace) -> None:
    """Train both networks and write checkpoints."""
    device = resolve_device(args)
    precision = resolve_precision(args.precision, device)
    description = resolve_description(args)
    check_num_classes(args.num_classes, description.num_classes, "pixel classes")
    names = read_names(args.data_list, description)
    labelled_names = choose_labelled(args, description, names)
    tiles = open_tiles(description, args.data_dir, names, labelled_names, resolve_cache(args))
    labelled, unlabelled = split_indices(tiles)
    supervised = args.supervised_only or not unlabelled
    if not unlabelled and not args.supervised_only:
        print("every tile is labelled: training on labelled tiles alone, as with --supervised-only")

    seed_everything(args.random_seed)
    generator = DeepLabV2(description.num_classes, args.backbone)
    from_imagenet = restore_generator(args, generator)
    discriminator = None if supervised else Discriminator(description.num_classes)
    if discriminator is not None and args.restore_from_D is not None:
        print(load_network(discriminator, Path(args.restore_from_D)))
    s4gan = S4GAN(generator, discriminator, settings_of(args, precision, from_imagenet), device)

    check_space(args, s4gan)
    prepare_folder(args, description, tiles, precision, from_imagenet, labelled_names)
    labelled_batches = training_batches(args, tiles, labelled, "labelled", device)
    unlabelled_batches = None if supervised else training_batches(args, tiles, unlabelled, "unlabelled", device)
    print(
        f"{len(labelled)} labelled and {0 if supervised else len(unlabelled)} unlabelled tiles; {args.backbone}, "
        f"{precision} on {device}; {args.num_steps} steps, "
        + ("labelled tiles alone" if supervised else f"self-training from step {s4gan.settings.self_training_start}")
    )

    with (args.checkpoint_dir / "metrics.csv").open("a", newline="") as file:
        log = csv.writer(file)
        log.writerow(("step", *METRICS))
        progress = tqdm(range(args.num_steps), "training", unit="step", disable=None)
        for step in progress:
            unlabelled_batch = next(unlabelled_batches) if unlabelled_batches is not None else None
            losses = s4gan.train_step(next(labelled_batches), unlabelled_batch, step)
            finished = step + 1  # files and log lines are named by steps finished
            if finished % args.log_every == 0 or finished == args.num_steps:
                values = read_losses(losses, finished)
                log.writerow((finished, *(f"{values[key]:.6g}" if key in values else "" for key in METRICS)))
                file.flush()
                progress.set_postfix({key: f"{value:.3f}" for key, value in values.items() if key.startswith("loss")})
            if args.save_viz and unlabelled_batch is not None and step > args.save_after_iter:
                save_pseudo_labels(args, description, tiles, unlabelled_batch, losses["pseudo_labels"], finished)
            if finished % args.save_pred_every == 0 or finished == args.num_steps:
                read_losses(losses, finished)
                save_checkpoint(args.checkpoint_dir, s4gan, finished)
    print(f"checkpoints: {args.checkpoint_dir}")
    print_next_command(args, description)


def choose_labelled(args: argparse.Namespace, description: Description, names: Sequence[str]) -> list[str]:
    """Names of the labelled tiles: the active learner's, a random share, or all.

    Raises:
        DataError: fewer tiles have a mask than are needed.
    """
    asked = labelled_count(args.labeled_ratio, len(names)) if args.labeled_ratio is not None else None
    if args.active_learning:
        chosen = read_names_array(args.active_learning_images_array, description, names, args.data_list)
        if asked is not None and len(chosen) != asked:
            print(
                f"warning: {args.active_learning_images_array} holds {len(chosen)} names, but --labeled-ratio "
                f"{args.labeled_ratio} of {len(names)} tiles is {asked}; the names are used",
                file=sys.stderr,
            )
        return chosen
    if asked is None:
        return list(names)
    reader = open_reader(description, args.data_dir, names)
    with_masks = [name for name in names if reader.has_mask(name)]
    if len(with_masks) < asked:
        raise DataError(
            f"--labeled-ratio {args.labeled_ratio} asks for {asked} labelled tiles, but only {len(with_masks)} of "
            f"{len(names)} have a mask; draw more masks or lower the ratio"
        )
    return random_names(with_masks, asked, args.random_seed)


def split_indices(tiles: Tiles) -> tuple[list[int], list[int]]:
    """Positions of labelled and of unlabelled tiles, in the order of the list."""
    labelled = set(tiles.labelled)
    positions = range(len(tiles))
    return (
        [i for i in positions if tiles.names[i] in labelled],
        [i for i in positions if tiles.names[i] not in labelled],
    )


def restore_generator(args: argparse.Namespace, generator: DeepLabV2) -> bool:
    """Load the weights that the options name and say what was loaded; whether they were ImageNet's.

    Raises:
        OptionError: no such file.
        DataError: anything of the backbone would not load.
    """
    source = args.restore_from
    if source is None and args.backbone in IMAGENET_FILES:
        default = Path(__file__).resolve().parents[1] / "pretrained_models" / IMAGENET_FILES[args.backbone]
        if not default.is_file():
            raise OptionError(
                f"--restore-from was not given and {default} is not there; fetch it (pretrained_models/README.md), "
                "give a file, or train from scratch with --restore-from none"
            )
        source = str(default)
    if source is None or source.lower() == "none":
        print(f"{args.backbone} starts from random weights (--restore-from none)")
        return False
    if is_generator_checkpoint(read_state_dict(source)):
        print(load_network(generator, Path(source)))
        return False
    print(load_backbone(generator.backbone, Path(source)))
    return True


def settings_of(args: argparse.Namespace, precision: str, from_imagenet: bool) -> S4GANSettings:
    """The method's settings from the options."""
    return S4GANSettings(
        num_steps=args.num_steps,
        threshold_st=args.threshold_st,
        learning_rate=args.learning_rate,
        learning_rate_d=args.learning_rate_D,
        lambda_fm=args.lambda_fm,
        lambda_st=args.lambda_st,
        power=args.power,
        momentum=args.momentum,
        weight_decay=args.weight_decay,
        st_start=args.st_start,
        ignore_label=args.ignore_label,
        bn_momentum=args.bn_momentum,
        freeze_bn=args.freeze_bn,
        freeze_affine=from_imagenet,
        precision=precision,
    )


def training_batches(
    args: argparse.Namespace, tiles: Tiles, indices: list[int], stream: str, device: torch.device
) -> Iterator[SegmentationSample]:
    """Batches without end from one stream of draws."""
    transform = segmentation_training(args.input_size, args.random_scale, args.random_mirror)
    dataset = SegmentationTiles(tiles, transform, args.random_seed, stream)
    batches = EndlessBatches(indices, args.batch_size, args.random_seed, stream)
    return iter(build_loader(dataset, batches, resolve_workers(args, device), pin_memory=device.type == "cuda"))


def read_losses(losses: dict[str, Tensor], step: int) -> dict[str, float]:
    """The losses as numbers.

    Raises:
        DataError: one of them is not finite.
    """
    values = {name: float(value) for name, value in losses.items() if value.ndim == 0}
    broken = [name for name, value in values.items() if not np.isfinite(value)]
    if broken:
        raise DataError(
            f"step {step}: {', '.join(broken)} is not finite; lower --learning-rate or use --precision fp32 "
            "(the last checkpoint is from before)"
        )
    return values


def check_space(args: argparse.Namespace, s4gan: S4GAN) -> None:
    """Compare what all checkpoints will need with what is free.

    Raises:
        OptionError: the disk is too small.
    """
    networks: list[nn.Module] = [s4gan.generator] + ([s4gan.discriminator] if s4gan.discriminator else [])
    size = sum(t.numel() * t.element_size() for network in networks for t in network.state_dict().values())
    files = -(-args.num_steps // args.save_pred_every)
    make_folder(args.checkpoint_dir)
    free = shutil.disk_usage(args.checkpoint_dir).free
    if files * size > free:
        raise OptionError(
            f"{files} checkpoints of {size / 1e6:.0f} MB need {files * size / 1e9:.1f} GB, but {free / 1e9:.1f} GB "
            f"are free at {args.checkpoint_dir}; raise --save-pred-every, or choose another --checkpoint-dir"
        )


def prepare_folder(
    args: argparse.Namespace,
    description: Description,
    tiles: Tiles,
    precision: str,
    from_imagenet: bool,
    labelled_names: list[str],
) -> None:
    """Write what evaluation and prediction need to know of the run.

    Raises:
        OptionError: the folder holds a run.
    """
    folder = args.checkpoint_dir
    earlier = [path for pattern in ("checkpoint*.pth", "*.csv", "options.json") for path in folder.glob(pattern)]
    if earlier and not args.overwrite:
        raise OptionError(f"{folder} holds a run already; give --overwrite to replace it, or another --checkpoint-dir")
    for path in earlier:
        path.unlink()
    write_json(
        folder / "options.json",
        {
            "options": as_plain(args),
            "backbone": args.backbone,
            "classes": list(description.classes),
            "colours": [list(colour) for colour in description.colours],
            "palette": [list(colour) for colour in description.palette] if description.palette else None,
            "tile_size": list(tiles.reader.tile_size),
            "normalisation": {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)},
            "precision": precision,
            "imagenet_weights": from_imagenet,
            "torch": torch.__version__,
        },
    )
    write_names(folder / "labelled_names.txt", labelled_names)


def save_checkpoint(folder: Path, s4gan: S4GAN, finished: int) -> None:
    """Write both networks under their published names."""
    save_tensors(folder / f"checkpoint{finished}.pth", s4gan.generator.state_dict())
    if s4gan.discriminator is not None:
        save_tensors(folder / f"checkpoint{finished}_D.pth", s4gan.discriminator.state_dict())


def save_pseudo_labels(
    args: argparse.Namespace,
    description: Description,
    tiles: Tiles,
    batch: SegmentationSample,
    pseudo_labels: Tensor,
    finished: int,
) -> None:
    """Write the believed class maps as `<name>_iter_<step>.npy`, as published, and in colour beside them."""
    for tile, ids in zip(batch.tile, pseudo_labels.cpu().numpy().astype(np.uint8), strict=True):  # type: ignore[call-overload]
        if (ids != IGNORE_INDEX).any():
            name = f"{tiles.names[int(tile)].replace('/', '_')}_iter_{finished}"
            save_array(args.generator_viz_dir / f"{name}.npy", ids)
            save_picture(args.generator_viz_dir / f"{name}.png", colourise(ids, description.colours))


def print_next_command(args: argparse.Namespace, description: Description) -> None:
    """Say how to find the best checkpoint."""
    first = min(args.save_pred_every, args.num_steps)
    print(
        f"next:\n\npython tools/auto_evaluate.py --start-eval {first} --end-eval {args.num_steps} --step-eval {first} "
        f"--dataset {args.dataset} --data-dir {args.data_dir} --data-list <test or validation list> "
        f"--checkpoint-dir {args.checkpoint_dir} --input-size {args.input_size[0]},{args.input_size[1]}"
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(train, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
