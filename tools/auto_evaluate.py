"""Evaluate a range of checkpoints and say which is best.

    python tools/auto_evaluate.py --start-eval 100 --end-eval 20000 --step-eval 100 --dataset ucm \\
        --data-dir datasets/ucm --data-list datasets/ucm/test.txt --num-classes 18 \\
        --checkpoint-dir checkpoint --input-size 320,320

Writes scores.csv (a line a checkpoint), best_scores_<step>.json and a picture of the best checkpoint's maps to
--save-dir.
"""

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from data.descriptions import Description
from data.samplers import OrderedBatches, build_loader
from data.splits import read_names
from data.tiles import SegmentationSample, SegmentationTiles, Tiles, open_tiles
from data.transforms import segmentation_evaluation
from model.backbones import BACKBONES
from model.deeplabv2 import DeepLabV2
from model.weights import load_network
from tools.arguments import (
    CommandParser,
    add_data_options,
    add_machine_options,
    as_plain,
    check_num_classes,
    count,
    image_size,
    one_of,
    resolve_cache,
    resolve_description,
    resolve_device,
    resolve_workers,
    run,
)
from utils.checkpoint import read_json, write_json, write_text
from utils.crf import CRFSettings, dense_crf
from utils.errors import DataError, OptionError
from utils.evaluate import evaluate, predict_probabilities
from utils.metric import Scores
from utils.precision import PRECISIONS, resolve_precision
from utils.visualize import comparison, save_picture, with_legend

PICTURES = 8  # tiles in the picture of the best checkpoint's maps


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = CommandParser(description=__doc__)
    data = add_data_options(parser, "--dataset", "--dataset-name", default="ucm")
    data.add_argument("--num-classes", type=count(2), metavar="N", help="pixel classes; checked, not needed")
    data.add_argument(
        "--input-size",
        type=image_size,
        default=(320, 320),
        metavar="H,W",
        help="pixels that smaller tiles are padded to",
    )
    checkpoints = parser.add_argument_group("checkpoints")
    checkpoints.add_argument(
        "--checkpoint-dir", type=Path, default=Path("checkpoint"), metavar="DIR", help="folder of the run"
    )
    checkpoints.add_argument("--start-eval", type=count(), default=100, metavar="N", help="first step")
    checkpoints.add_argument("--end-eval", type=count(), default=20000, metavar="N", help="last step")
    checkpoints.add_argument("--step-eval", type=count(), default=100, metavar="N", help="steps between checkpoints")
    checkpoints.add_argument(
        "--backbone", type=one_of("backbone", list(BACKBONES)), help="of the generator; default as options.json says"
    )
    machine = add_machine_options(parser, seed=0)
    machine.add_argument(
        "--gpu", type=count(0), metavar="N", help="ask for this CUDA device; default 0 where there is one"
    )
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format of the network")
    machine.add_argument("--batch-size", type=count(), default=8, metavar="N", help="tiles of a batch")
    results = parser.add_argument_group("results")
    results.add_argument("--save-dir", type=Path, default=Path("results"), metavar="DIR", help="folder of results")
    results.add_argument("--crf", action="store_true", help="also score maps refined by a dense CRF")
    args = parser.parse_args(argv)
    if args.end_eval < args.start_eval:
        parser.error(f"--end-eval {args.end_eval} lies before --start-eval {args.start_eval}")
    return args


def auto_evaluate(args: argparse.Namespace) -> int:
    """Evaluate every checkpoint of the range; returns 4 if some were skipped."""
    device = resolve_device(args)
    precision = resolve_precision(args.precision, device)
    description = resolve_description(args)
    check_num_classes(args.num_classes, description.num_classes, "pixel classes")
    if not args.checkpoint_dir.is_dir():
        raise OptionError(f"--checkpoint-dir {args.checkpoint_dir} is not a folder; give the folder of a training run")
    steps, skipped = checkpoints_in_range(args)
    names = read_names(args.data_list, description)
    tiles = open_tiles(description, args.data_dir, names, names, resolve_cache(args))
    network = build_network(args, description).to(device).to(memory_format=torch.channels_last).eval()

    rows: list[tuple[int, Scores, Scores | None]] = []
    for step in tqdm(steps, "evaluating", unit="checkpoint", disable=None):
        try:
            load_network(network, args.checkpoint_dir / f"checkpoint{step}.pth")
        except DataError as error:
            print(f"warning: {error}; skipped", file=sys.stderr)
            skipped.append(step)
            continue
        batches = tqdm(tile_batches(args, tiles, device), f"step {step}", unit="batch", leave=False, disable=None)
        refine = refine_with_crf if args.crf else None
        plain, refined = evaluate(network, batches, description.num_classes, device, precision, refine)
        rows.append((step, plain.scores(), refined.scores() if refined else None))
        write_scores(args.save_dir / "scores.csv", rows)
    if not rows:
        raise DataError(f"no checkpoint of {args.checkpoint_dir} could be evaluated")

    write_json(
        args.save_dir / "options.json", as_plain(args) | {"resolved_precision": precision, "device": str(device)}
    )
    report_best(args, description, network, tiles, device, precision, rows)
    if skipped:
        print(f"skipped {len(skipped)} checkpoints: {', '.join(map(str, skipped[:10]))}", file=sys.stderr)
    return 4 if skipped else 0


def checkpoints_in_range(args: argparse.Namespace) -> tuple[list[int], list[int]]:
    """Steps of the range whose checkpoint is there, and those whose is not.

    Raises:
        OptionError: none is there.
    """
    steps = range(args.start_eval, args.end_eval + 1, args.step_eval)
    present = [step for step in steps if (args.checkpoint_dir / f"checkpoint{step}.pth").is_file()]
    if not present:
        found = sorted(args.checkpoint_dir.glob("checkpoint*[0-9].pth"), key=lambda path: (len(path.name), path.name))
        there = f"it holds {found[0].name} to {found[-1].name}" if found else "it holds no checkpoint<step>.pth"
        raise OptionError(
            f"no checkpoint of steps {args.start_eval} to {args.end_eval} every {args.step_eval} in "
            f"{args.checkpoint_dir}; {there}: give --start-eval, --end-eval and --step-eval to match"
        )
    missing = [step for step in steps if step not in set(present)]
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", …" if len(missing) > 10 else "")
        print(f"warning: {len(missing)} checkpoints of the range are not there: {shown}", file=sys.stderr)
    return present, missing


def build_network(args: argparse.Namespace, description: Description) -> DeepLabV2:
    """The network that the run's options.json describes.

    Raises:
        OptionError: the run was trained on other classes.
    """
    path = args.checkpoint_dir / "options.json"
    recorded = read_json(path) if path.is_file() else {}
    classes = recorded.get("classes", list(description.classes))
    if classes != list(description.classes):
        raise OptionError(
            f"the classes in {path} differ from the data set's {description.num_classes}; "
            "evaluate on the data set that the run was trained on"
        )
    backbone = args.backbone or recorded.get("backbone", "resnet101")
    if backbone not in list(BACKBONES):
        raise DataError(f"{path} names the backbone {backbone!r}; give --backbone")
    return DeepLabV2(description.num_classes, backbone)


def tile_batches(args: argparse.Namespace, tiles: Tiles, device: torch.device) -> Iterator[SegmentationSample]:
    """All tiles in order, padded to the input size where they are smaller."""
    dataset = SegmentationTiles(tiles, segmentation_evaluation(args.input_size, tiles.reader.tile_size))
    batches = OrderedBatches(range(len(tiles)), args.batch_size)
    yield from build_loader(dataset, batches, resolve_workers(args, device), pin_memory=device.type == "cuda")


def refine_with_crf(probabilities: Tensor, images: Tensor) -> Tensor:
    """Dense CRF on each tile of a batch."""
    refined = [
        dense_crf(p, np.ascontiguousarray(i.transpose(1, 2, 0)), CRFSettings())
        for p, i in zip(probabilities.cpu().numpy(), images.numpy(), strict=True)
    ]
    return torch.from_numpy(np.stack(refined))


def write_scores(path: Path, rows: list[tuple[int, Scores, Scores | None]]) -> None:
    """One line a checkpoint; fractions, empty where nothing was counted."""
    header = ["step", "mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"]
    with_crf = rows[0][2] is not None
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(header + ([f"{name}_crf" for name in header[1:]] if with_crf else []))
    for step, plain, refined in rows:
        table.writerow([step, *_columns(plain), *(_columns(refined) if refined else ())])
    write_text(path, buffer.getvalue())


def _columns(scores: Scores) -> list[str]:
    values = (scores.mean_iou, scores.pixel_accuracy, scores.mean_accuracy, scores.frequency_weighted_iou)
    return ["" if value is None else f"{value:.6f}" for value in values]


def report_best(
    args: argparse.Namespace,
    description: Description,
    network: DeepLabV2,
    tiles: Tiles,
    device: torch.device,
    precision: str,
    rows: list[tuple[int, Scores, Scores | None]],
) -> None:
    """Write and print the best checkpoint's scores, class by class, and pictures of its maps."""
    for stale in args.save_dir.glob("best_scores_*.json"):
        stale.unlink()
    step, best, _ = max(rows, key=lambda row: (row[1].mean_iou or 0.0, -row[0]))
    write_json(args.save_dir / f"best_scores_{step}.json", best.published())
    total = max(1, sum(best.class_pixels))
    print(f"{'class':<20} {'IoU':>7} {'pixels':>7}")
    for name, iou, pixels in zip(description.classes, best.class_iou, best.class_pixels, strict=True):
        print(f"{name:<20} {'–' if iou is None else f'{iou:.4f}':>7} {pixels / total:>7.1%}")
    print(
        f"best of {len(rows)}: step {step}, mean IoU {best.mean_iou or 0:.4f}, pixel accuracy "
        f"{best.pixel_accuracy or 0:.4f} (chosen on this list: {args.data_list})"
    )
    refined_rows = [(s, refined) for s, _, refined in rows if refined is not None]
    if refined_rows:
        crf_step, crf_best = max(refined_rows, key=lambda row: (row[1].mean_iou or 0.0, -row[0]))
        write_json(args.save_dir / f"best_scores_crf_{crf_step}.json", crf_best.published())
        print(f"with CRF: step {crf_step}, mean IoU {crf_best.mean_iou or 0:.4f} (chosen on this list)")
    load_network(network, args.checkpoint_dir / f"checkpoint{step}.pth")
    picture = picture_of_maps(args, description, network, tiles, device, precision)
    save_picture(args.save_dir / "tiles.png", picture)
    print(f"scores and pictures: {args.save_dir}")


@torch.inference_mode()
def picture_of_maps(
    args: argparse.Namespace,
    description: Description,
    network: DeepLabV2,
    tiles: Tiles,
    device: torch.device,
    precision: str,
) -> Image.Image:
    """Image, truth and prediction of tiles spread over the list."""
    dataset = SegmentationTiles(tiles, segmentation_evaluation(args.input_size, tiles.reader.tile_size))
    shown = sorted({int(i) for i in np.linspace(0, len(tiles) - 1, PICTURES)})
    images, maps = [], []
    for batch in build_loader(dataset, OrderedBatches(shown, 1), 0, pin_memory=False):
        prediction = predict_probabilities(network, batch, device, precision).argmax(dim=1)[0].cpu().numpy()
        tile = int(batch.tile[0])
        images.append(np.array(tiles.image(tile)))
        maps.append([np.array(tiles.mask(tile)), prediction.astype(np.uint8)])
    captions = [tiles.names[tile] for tile in shown]
    picture = comparison(images, maps, ["truth", "prediction"], description.colours, captions)
    return with_legend(picture, description.classes, description.colours)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(auto_evaluate, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
