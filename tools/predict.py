"""Make maps: a checkpoint on a list of tiles, an image file, or a folder of images.

    python tools/predict.py --checkpoint-dir checkpoint --images scenes --save-dir predictions
    python tools/predict.py --checkpoint checkpoint/checkpoint400.pth --dataset ucm --data-dir datasets/ucm \\
        --data-list datasets/ucm/test.txt --save-dir predictions

Writes ids/<name>.png (class ids), colour/<name>.png, overlay/<name>.png (the map over its image) and class_shares.csv
(a line an image, fractions of its pixels) to --save-dir. Images larger than a tile are read in overlapping windows
whose probabilities are blended, so that no seam shows. Images of --images have to show the ground as large as the
training tiles do: where those were shrunk from their files (DeepGlobe: 2448 to 320 pixels), give --scale 0.1307.
Tiles of a --data-list are brought to tile size as in training; all maps come back at the size of their files.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli import predict_options
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    return predict_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import numpy as np
import torch
from torch import Tensor, nn

from data.dataset_json import load_description
from data.descriptions import Description
from tools.cli.crf_options import crf_settings
from tools.cli.shared_options import as_plain, resolve_description, resolve_device
from tools.predict_images import find_images, read_in_groups
from tools.predict_network import NetworkFacts, load_generator, network_facts
from tools.predict_results import MapFolder
from utils.device import place
from utils.errors import DataError, OptionError
from utils.evaluation.crf import refine_batch
from utils.evaluation.crf_settings import CRFSettings
from utils.evaluation.evaluate import BROKEN_MAPS
from utils.evaluation.windows import Classify, blended_strips
from utils.images import normalise, to_unit_range
from utils.precision import autocast, resolve_precision
from utils.progress import Progress

WITHOUT_EFFECT = {"debug", "overwrite", "save_dir"}  # options that no map depends on


@torch.inference_mode()
def predict(args: argparse.Namespace) -> int:
    """Make a map of every image; returns 4 if some were skipped."""
    device = resolve_device(args)
    precision = resolve_precision(args.precision, device)
    description = given_description(args)
    facts = network_facts(args, description)
    window = window_size(args, facts)
    check_apart(args)
    folder = MapFolder(args.save_dir, facts.classes, facts.colours, args.ids_only)
    with folder.claim(overwrite=args.overwrite):
        return predict_into(folder, args, description, facts, window, device, precision)


def predict_into(
    folder: MapFolder,
    args: argparse.Namespace,
    description: Description | None,
    facts: NetworkFacts,
    window: tuple[int, int],
    device: torch.device,
    precision: str,
) -> int:
    """Make the maps in a folder that is this process's own; returns 4 if some images were skipped."""
    images = find_images(args, description)
    folder.check_images(images)
    network = place(load_generator(facts), device).eval()
    classify = classifier(network, device, precision, args.flip)
    if args.crf:
        classify = refined_by_crf(classify, crf_settings(args))

    how = record(args, facts, window, precision, device)
    skipped: list[str] = []
    with Progress(len(images), "predicting", "image", leave=True) as progress:
        for group, pixels in read_in_groups(images, window, args.batch_size, skipped):
            ids = predict_ids(pixels, classify, window, args.overlap, args.batch_size, progress.update)
            folder.begin_with(images, how)  # not before: without a map, an earlier prediction stays
            for number_in_group, image in enumerate(group):
                folder.write(image, pixels[number_in_group], ids[number_in_group])
    if len(skipped) == len(images):
        raise DataError(f"none of the {len(images)} images could be read; check the path and the files")
    folder.finish()
    report(folder, facts.ignore_label, len(images) - len(skipped), skipped)
    return 4 if skipped else 0


def given_description(args: argparse.Namespace) -> Description | None:
    """The data set of `--dataset`; the folder of a built-in one is needed for a list only."""
    if args.dataset is None:
        return None
    return load_description(args.dataset, Path()) if args.data_dir is None else resolve_description(args)


def window_size(args: argparse.Namespace, facts: NetworkFacts) -> tuple[int, int]:
    """Height and width that the network sees at once.

    Raises:
        OptionError: neither the options nor the run say.
    """
    size: tuple[int, int] | None = args.input_size or facts.tile_size
    if size is None:
        raise OptionError(
            f"nothing beside {facts.checkpoint} says how large its training tiles were; give --input-size"
        )
    return size


def check_apart(args: argparse.Namespace) -> None:
    """Refuse to write maps where the next run would take them for images."""
    if args.images is None or not args.images.is_dir():
        return
    source, target = Path(os.path.realpath(args.images)), Path(os.path.realpath(args.save_dir))
    if source == target or source in target.parents:
        raise OptionError(f"--save-dir {args.save_dir} lies in --images {args.images}; choose a folder beside it")


def classifier(network: nn.Module, device: torch.device, precision: str, flip: bool) -> Classify:
    """From uint8 images (B, 3, H, W) to class probabilities, float32, (B, C, H, W), on the device."""

    def classify(images: Tensor) -> Tensor:
        inputs = normalise(to_unit_range(images, device))
        with autocast(precision, device):
            logits = network(inputs)
        return logits.float().softmax(dim=1)

    return (lambda images: (classify(images) + classify(images.flip(3)).flip(3)) / 2) if flip else classify


def refined_by_crf(classify: Classify, settings: CRFSettings) -> Classify:
    """A classifier whose probabilities are sharpened along the colour edges of their images; they come on the CPU."""
    return lambda images: refine_batch(classify(images), images, settings)


def predict_ids(
    pixels: np.ndarray,
    classify: Classify,
    window: tuple[int, int],
    overlap: float,
    batch_size: int,
    finished: Callable[[float], None] = lambda _: None,
) -> np.ndarray:
    """Likeliest classes of images of one size.

    Args:
        pixels: uint8 RGB, shape (N, H, W, 3).
        classify, window, overlap, batch_size: as for `blended_strips`.
        finished: told after each strip how many images, or what part of them, it has finished.

    Returns:
        Ids, uint8, shape (N, H, W).

    Raises:
        DataError: the network's output is not finite.
    """
    ids = np.empty(pixels.shape[:3], np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    for top, probabilities in blended_strips(images, classify, window, overlap, batch_size):
        if not torch.isfinite(probabilities).all():
            raise DataError(BROKEN_MAPS)
        rows = probabilities.shape[2]
        ids[:, top : top + rows] = probabilities.argmax(dim=1).cpu().numpy()
        finished(len(ids) * rows / pixels.shape[1])
    return ids


def record(
    args: argparse.Namespace, facts: NetworkFacts, window: tuple[int, int], precision: str, device: torch.device
) -> dict[str, Any]:
    """How the maps were made, for prediction.json."""
    return {
        "options": {name: value for name, value in as_plain(args).items() if name not in WITHOUT_EFFECT},
        "checkpoint": str(facts.checkpoint),
        "backbone": facts.backbone,
        "classes": list(facts.classes),
        "ignore_label": facts.ignore_label,
        "colours": [list(colour) for colour in facts.colours],
        "window": list(window),
        "precision": precision,
        "device": str(device),
        "torch": str(torch.__version__),
    }


def report(folder: MapFolder, ignored: int, written: int, skipped: list[str]) -> None:
    """Print the classes' shares, what was skipped, and where the maps are.

    Args:
        folder: of the maps.
        ignored: id of a class that the network has not learned; another id where there is none.
        written: images that have a map.
        skipped: names of those that have none.
    """
    for index, (name, share) in enumerate(zip(folder.classes, folder.total_shares(), strict=True)):
        remark = f"  (not learned: --ignore-label {index} in training)" if index == ignored else ""
        print(f"{name:<20} {share:>7.1%}{remark}")
    if skipped:
        print(f"skipped {len(skipped)} images: {', '.join(skipped[:10])}", file=sys.stderr)
    print(f"maps of {written} images: {folder.path}")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(predict, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
