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
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from data.dataset_json import load_description
from data.descriptions import Description
from model.networks.resnet import BACKBONES
from tools.cli.crf_options import add_crf_options, crf_settings
from tools.cli.parser import CommandParser, count, dataset_name, image_size, number, one_of
from tools.cli.running import run
from tools.cli.shared_options import as_plain, resolve_description, resolve_device
from tools.predict_images import find_images, read_in_groups
from tools.predict_network import NetworkFacts, load_generator, network_facts
from tools.predict_results import MapFolder
from utils.errors import DataError, OptionError
from utils.evaluation.crf import CRFSettings, refine_batch
from utils.evaluation.windows import Classify, blended_strips
from utils.images import normalise, to_unit_range
from utils.precision import PRECISIONS, autocast, resolve_precision

WITHOUT_EFFECT = {"debug", "overwrite", "save_dir"}  # options that no map depends on


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = CommandParser(description=__doc__)
    _add_network(parser)
    _add_images(parser)
    _add_prediction(parser)
    add_crf_options(parser)
    results = parser.add_argument_group("results")
    results.add_argument("--save-dir", type=Path, default=Path("predictions"), metavar="DIR", help="folder of the maps")
    results.add_argument("--ids-only", action="store_true", help="leave out colour/ and overlay/")
    results.add_argument("--overwrite", action="store_true", help="replace the prediction in --save-dir")
    args = parser.parse_args(argv)
    if args.data_list is not None and (args.dataset is None or args.data_dir is None):
        parser.error("--data-list needs --dataset and --data-dir, which say where its tiles lie")
    if args.data_list is not None and args.scale != 1:
        parser.error("--scale is for --images; tiles of --data-list are brought to tile size as in training")
    if (args.dataset or "").lower() == "custom" and args.data_dir is None:
        parser.error("--dataset custom needs --data-dir, where its dataset.json lies")
    return args


def _add_network(parser: argparse.ArgumentParser) -> None:
    network = parser.add_argument_group("network")
    checkpoint = network.add_mutually_exclusive_group()
    checkpoint.add_argument("--checkpoint", type=Path, metavar="FILE", help="a checkpoint<step>.pth or best.pth")
    checkpoint.add_argument(
        "--checkpoint-dir",
        type=Path,
        default=Path("checkpoint"),
        metavar="DIR",
        help="folder of a run: its best.pth, or else its newest checkpoint",
    )
    network.add_argument(
        "--backbone", type=one_of("backbone", list(BACKBONES)), help="of the generator; default as options.json says"
    )


def _add_images(parser: argparse.ArgumentParser) -> None:
    images = parser.add_argument_group("images")
    source = images.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", type=Path, metavar="PATH", help="an image file, or a folder with all below it")
    source.add_argument("--data-list", type=Path, metavar="FILE", help="names of a data set's tiles, one a line")
    images.add_argument(
        "--dataset",
        "--dataset-name",
        dest="dataset",
        type=dataset_name,
        metavar="NAME",
        help="ucm, deepglobe or custom; of the list, or in place of options.json",
    )
    images.add_argument("--data-dir", type=Path, metavar="DIR", help="the data set's folder")
    images.add_argument(
        "--scale",
        type=number(0, 8, above=True),
        default=1.0,
        metavar="S",
        help="resize images by this factor first: ground size of their pixels over that of the training tiles'",
    )


def _add_prediction(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("prediction").add_argument
    add("--input-size", type=image_size, metavar="H,W", help="pixels of a window; default the tile size of the run")
    add("--overlap", type=number(0, 0.9), default=0.5, metavar="R", help="share of a window that the next one covers")
    add("--flip", action="store_true", help="average with the prediction of the mirrored image")
    add("--crf", action="store_true", help="refine each window by a dense CRF: seconds a window, on the CPU")
    add("--batch-size", type=count(), default=8, metavar="N", help="windows of a batch")
    add("--device", type=one_of("device", ("auto", "cuda", "cpu")), help="auto, cuda or cpu; default auto")
    add("--precision", choices=PRECISIONS, default="auto", help="number format of the network")
    add("--debug", action="store_true", help="show a traceback with an error")


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
    network = load_generator(facts).to(device).to(memory_format=torch.channels_last).eval()
    classify = classifier(network, device, precision, args.flip)
    if args.crf:
        classify = refined_by_crf(classify, crf_settings(args))

    how = record(args, facts, window, precision, device)
    skipped: list[str] = []
    with tqdm(total=len(images), desc="predicting", unit="image", disable=None) as progress:
        for group, pixels in read_in_groups(images, window, args.batch_size, skipped):
            ids = predict_ids(pixels, classify, window, args.overlap, args.batch_size)
            folder.begin_with(images, how)  # not before: without a map, an earlier prediction stays
            for number_in_group, image in enumerate(group):
                folder.write(image, pixels[number_in_group], ids[number_in_group])
            progress.update(len(group))
    if len(skipped) == len(images):
        raise DataError(f"none of the {len(images)} images could be read; check the path and the files")
    folder.finish()
    report(folder, len(images) - len(skipped), skipped)
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
    source, target = args.images.resolve(), args.save_dir.resolve()
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
    pixels: np.ndarray, classify: Classify, window: tuple[int, int], overlap: float, batch_size: int
) -> np.ndarray:
    """Likeliest classes of images of one size.

    Args:
        pixels: uint8 RGB, shape (N, H, W, 3).
        classify, window, overlap, batch_size: as for `blended_strips`.

    Returns:
        Ids, uint8, shape (N, H, W).
    """
    ids = np.empty(pixels.shape[:3], np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    for top, probabilities in blended_strips(images, classify, window, overlap, batch_size):
        ids[:, top : top + probabilities.shape[2]] = probabilities.argmax(dim=1).cpu().numpy()
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
        "colours": [list(colour) for colour in facts.colours],
        "window": list(window),
        "precision": precision,
        "device": str(device),
        "torch": str(torch.__version__),
    }


def report(folder: MapFolder, written: int, skipped: list[str]) -> None:
    """Print the classes' shares, what was skipped, and where the maps are."""
    for name, share in zip(folder.classes, folder.total_shares(), strict=True):
        print(f"{name:<20} {share:>7.1%}")
    if skipped:
        print(f"skipped {len(skipped)} images: {', '.join(skipped[:10])}", file=sys.stderr)
    print(f"maps of {written} images: {folder.path}")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(predict, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
