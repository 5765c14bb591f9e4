"""Evaluate a range of checkpoints and say which is best.

    python tools/auto_evaluate.py --start-eval 100 --end-eval 20000 --step-eval 100 --dataset ucm \\
        --data-dir datasets/ucm --data-list datasets/ucm/val.txt --test-list datasets/ucm/test.txt --num-classes 18 \\
        --checkpoint-dir checkpoint --input-size 320,320
    torchrun --nproc_per_node=4 tools/auto_evaluate.py ...

The checkpoint is chosen on --data-list; --test-list is scored once, with the chosen one. Writes scores.csv (a line a
checkpoint), best_scores_<step>.json, summary.json, pictures and report.html, which holds all of it, to --save-dir.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

import torch

from data.descriptions import Description
from model.networks.deeplabv2 import DeepLabV2
from model.networks.resnet import BACKBONES
from tools.cli import evaluate_options
from tools.cli.crf_options import crf_settings
from tools.cli.running import run
from tools.cli.shared_options import check_num_classes, resolve_description, resolve_device
from tools.eval_checkpoints import Checkpoints, first_steps, wait_for_run
from tools.eval_list import TileList
from tools.eval_results import RESULTS, Results
from utils import distributed
from utils.distributed import say
from utils.errors import DataError, OptionError
from utils.evaluation.crf import refine_batch
from utils.precision import keep_convolutions_in, resolve_precision
from utils.runs.folder import RunFolder
from utils.runs.interrupt import StopRequest
from utils.runs.output import OutputFolder

SKIPPED = 4  # exit code: finished, but some checkpoints were left out


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    return evaluate_options.parse_args(__doc__, argv)


def auto_evaluate(args: argparse.Namespace) -> int:
    """Evaluate every checkpoint of the range; returns the exit code."""
    device = resolve_device(args)
    distributed.start(device.type)
    folder = OutputFolder(args.save_dir, RESULTS)
    with folder.claim(overwrite=args.overwrite):  # the folder of the checkpoints is only read: a training may hold it
        return evaluate_into(folder, args, device)


def evaluate_into(folder: OutputFolder, args: argparse.Namespace, device: torch.device) -> int:
    """Evaluate into a folder that is this process's own; returns the exit code."""
    started = time.perf_counter()
    precision = resolve_precision(args.precision, device)
    description = resolve_description(args)
    check_num_classes(args.num_classes, description.num_classes, "pixel classes")
    stop = StopRequest(args.max_hours)
    if args.follow and args.backbone is None:
        with stop:
            wait_for_run(RunFolder(args.checkpoint_dir), stop)
    network = build_network(args, description, precision, device)
    refine = partial(refine_batch, settings=crf_settings(args)) if args.crf else None

    checkpoints = Checkpoints(args, network, stop)
    data_list = TileList(args, description, args.data_list, device, precision)
    test_list = TileList(args, description, args.test_list, device, precision) if args.test_list else None
    results = Results(args, folder, data_list, facts(args, network, data_list))
    with stop:
        for step in checkpoints:
            evaluation = data_list.evaluate(network, step, refine)
            results.begin()  # not before: without an evaluation, earlier results stay
            if results.add(evaluation):
                checkpoints.keep_present()
    if results.best is None:
        reason = f": {stop.reason}" if stop.reason else ""
        raise DataError(f"no checkpoint of {args.checkpoint_dir} could be evaluated{reason}")

    test = None
    if test_list is not None:
        checkpoints.return_to(results.best.step)
        test = test_list.evaluate(network, results.best.step, refine)
    results.finish(checkpoints, test, test_list, time.perf_counter() - started)
    distributed.stop()
    return exit_code(checkpoints, stop)


def build_network(
    args: argparse.Namespace, description: Description, precision: str, device: torch.device
) -> DeepLabV2:
    """The network that the run's options.json describes, for evaluation.

    Raises:
        OptionError: there is no such run, its backbone is not known, or it was trained on other classes.
        DataError: options.json cannot be used.
    """
    if not args.checkpoint_dir.is_dir():
        raise OptionError(f"--checkpoint-dir {args.checkpoint_dir} is not a folder; give the folder of a training run")
    folder = RunFolder(args.checkpoint_dir)
    recorded = folder.read_options()
    if not recorded and args.backbone is None:
        raise OptionError(
            f"{folder.options} is not there, so the backbone is not known; give --backbone {' or '.join(BACKBONES)} "
            "(classes and tile size are taken from the data set)"
        )
    check_classes(recorded.get("classes", list(description.classes)), description, folder.options)
    backbone = args.backbone or recorded.get("backbone", "resnet101")
    if backbone not in list(BACKBONES):
        raise DataError(f"{folder.options} names the backbone {backbone!r}; give --backbone {' or '.join(BACKBONES)}")
    args.backbone = backbone
    network = DeepLabV2(description.num_classes, backbone).eval().requires_grad_(False)
    keep_convolutions_in(precision, network)
    return network.to(device).to(memory_format=torch.channels_last)


def check_classes(trained: Any, description: Description, path: Path) -> None:
    """Refuse a data set with other classes than the network's.

    Raises:
        OptionError: says which.
    """
    classes = list(description.classes)
    if trained == classes:
        return
    names = trained if isinstance(trained, list) else []
    unknown = [f"'{name}' (id {index})" for index, name in enumerate(classes) if name not in names]
    found = (
        f"the network of {path.parent} has no {', '.join(unknown[:3])}" if unknown else "their order or number differs"
    )
    raise OptionError(
        f"the classes in {path} differ from the data set's {len(classes)}: {found}; evaluate on the data set that the "
        "run was trained on"
    )


def facts(args: argparse.Namespace, network: DeepLabV2, data_list: TileList) -> dict[str, Any]:
    """What the results say of the network, the data and the machine."""
    tile_size = data_list.tiles.reader.tile_size
    return {
        "dataset": data_list.description.name,
        "backbone": args.backbone,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "checkpoint_bytes": sum(4 * tensor.numel() for tensor in network.state_dict().values()),
        "tile_size": list(tile_size),
        "window": [max(pair) for pair in zip(args.input_size, tile_size, strict=True)],
        "batch_size": data_list.batch_size,
        "precision": data_list.precision,
        "device": str(data_list.device),
        "processes": distributed.world_size(),
        "torch": str(torch.__version__),
    }


def exit_code(checkpoints: Checkpoints, stop: StopRequest) -> int:
    """Say what was left out; 0 where nothing was."""
    skipped, left = sorted(checkpoints.skipped), checkpoints.pending
    if skipped:
        say(f"skipped {len(skipped)} checkpoints: {first_steps(skipped)}", file=sys.stderr)
    if left:
        say(f"{stop.reason or 'the end came'} before {len(left)} checkpoints: {first_steps(left)}", file=sys.stderr)
    return stop.exit_code or (SKIPPED if skipped or left else 0)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(auto_evaluate, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
