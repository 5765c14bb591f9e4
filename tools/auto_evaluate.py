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
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli import evaluate_options
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    return evaluate_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import torch

from data.descriptions import Description
from data.splits import read_names
from model.networks.deeplabv2 import DeepLabV2
from model.networks.names import BACKBONES
from tools.cli.crf_options import crf_settings
from tools.cli.mask_remarks import say_mask_remarks
from tools.cli.next_command import prediction
from tools.cli.shared_options import check_num_classes, resolve_description, resolve_device
from tools.eval_checkpoints import Checkpoints, first_steps, wait_for_run
from tools.eval_list import TileList
from tools.eval_results import RESULTS, Results
from utils import distributed
from utils.console import say
from utils.device import place
from utils.errors import DataError, OptionError
from utils.evaluation.crf import refine_batch
from utils.evaluation.evaluate import BrokenMapsError
from utils.evaluation.seen import count_seen, on_seen_tiles
from utils.labels import IGNORE_INDEX
from utils.precision import keep_convolutions_in, resolve_precision
from utils.runs.folder import RunFolder
from utils.runs.interrupt import StopRequest
from utils.runs.output import OutputFolder
from utils.runs.record import RunRecord, read_record

SKIPPED = 4  # exit code: finished, but some checkpoints or the test list were left out


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
    stop = StopRequest(args.max_hours, partial(unsaved, args.save_dir / "scores.csv"))
    if args.follow and args.backbone is None:
        with stop:
            wait_for_run(RunFolder(args.checkpoint_dir), stop)
    training = run_folder(args)
    record = read_record(training.options) if training.options.is_file() else None
    trained = record.ignore_label if record else IGNORE_INDEX
    ignored = trained if args.ignore_label is None else args.ignore_label
    network = build_network(args, training, record, description, precision, device)
    refine = partial(refine_batch, settings=crf_settings(args)) if args.crf else None

    checkpoints = Checkpoints(args, network, stop, record)
    scored = description.ignoring(ignored)
    data_list = TileList(args, scored, args.data_list, device, precision)
    test_list = TileList(args, scored, args.test_list, device, precision) if args.test_list else None
    say_mask_remarks(data_list.tiles, test_list.tiles if test_list else None)
    notes = [*about_ignored(description, ignored, trained), *about_seen(training, data_list, test_list)]
    for note in notes:
        say(note)
    listed = facts(args, network, data_list) | {"ignore_label": ignored, "notes": notes}
    results = Results(args, folder, data_list, listed)
    with stop:
        for step in checkpoints:
            try:
                evaluation = data_list.evaluate(network, step, refine)
            except BrokenMapsError as error:
                checkpoints.leave_out(step, f"{training.generator(step)}: {error}")
                continue
            results.begin()  # not before: without an evaluation, earlier results stay
            if results.add(evaluation):
                checkpoints.keep_present()
        if results.best is None:
            why = f": {checkpoints.why_none}" if checkpoints.why_none else ""
            raise DataError(f"no checkpoint of {args.checkpoint_dir} could be evaluated{why}")
        test = None
        if test_list is not None and (reason := reason_to_end(stop)):
            notes.append(f"{reason} before the test list was scored")
            say(notes[-1], file=sys.stderr)
        elif test_list is not None:
            checkpoints.return_to(results.best.step)
            test = test_list.evaluate(network, results.best.step, refine)
        results.finish(checkpoints, test, test_list, time.perf_counter() - started)
    say_next(args, training, record, results.best.step, test_list or data_list)
    distributed.stop()
    return exit_code(checkpoints, stop) or (SKIPPED if test_list and not test else 0)


def reason_to_end(stop: StopRequest) -> str | None:
    """Why the end was asked for, in this process or in another; None where it was not. All processes have to ask."""
    reasons = [reason for reason in distributed.gather_objects(stop.reason) if reason]
    return reasons[0] if reasons else None


def run_folder(args: argparse.Namespace) -> RunFolder:
    """The folder of the training run.

    Raises:
        OptionError: there is no such folder.
    """
    if not args.checkpoint_dir.is_dir():
        raise OptionError(f"--checkpoint-dir {args.checkpoint_dir} is not a folder; give the folder of a training run")
    return RunFolder(args.checkpoint_dir)


def about_ignored(description: Description, ignored: int, trained: int) -> list[str]:
    """What to say of a label that is left out of the scores; nothing where none is, as in training."""
    if ignored == trained == IGNORE_INDEX:
        return []
    reason = "as in training" if ignored == trained else f"the run was trained with {trained}"
    if ignored == IGNORE_INDEX:
        return [f"pixels of every class are scored (--ignore-label {ignored}; {reason})"]
    name = f" ({description.classes[ignored]})" if ignored < description.num_classes else ""
    return [f"pixels of id {ignored}{name} are not scored (--ignore-label {ignored}, {reason})"]


def about_seen(folder: RunFolder, *lists: TileList | None) -> list[str]:
    """A line for each list that holds tiles whose masks the run has learned from."""
    given = [tile_list for tile_list in lists if tile_list is not None]
    if not folder.labelled_names.is_file():
        return []
    labelled = read_names(folder.labelled_names, given[0].description)
    for tile_list in given:
        tile_list.seen = count_seen(tile_list.tiles.names, labelled)
    return [line for each in given if (line := on_seen_tiles(each.tiles.names, labelled, each.path))]


def build_network(
    args: argparse.Namespace,
    folder: RunFolder,
    record: RunRecord | None,
    description: Description,
    precision: str,
    device: torch.device,
) -> DeepLabV2:
    """The network that the run's options.json describes, for evaluation.

    Raises:
        OptionError: its backbone is not known, or it was trained on other classes.
        DataError: options.json cannot be used.
    """
    if record is None and args.backbone is None:
        raise OptionError(
            f"{folder.options} is not there, so the backbone is not known; give --backbone {' or '.join(BACKBONES)} "
            "(classes and tile size are taken from the data set)"
        )
    check_classes(record.classes if record else description.classes, description, folder.options)
    backbone = args.backbone or (record.backbone if record else "")
    if backbone not in list(BACKBONES):
        raise DataError(f"{folder.options} names the backbone {backbone!r}; give --backbone {' or '.join(BACKBONES)}")
    args.backbone = backbone
    network = DeepLabV2(description.num_classes, backbone).eval().requires_grad_(False)
    keep_convolutions_in(precision, network)
    return place(network, device)


def check_classes(trained: Sequence[str], description: Description, path: Path) -> None:
    """Refuse a data set with other classes than the network's.

    Raises:
        OptionError: says which.
    """
    classes = list(description.classes)
    if list(trained) == classes:
        return
    unknown = [f"'{name}' (id {index})" for index, name in enumerate(classes) if name not in trained]
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


def say_next(
    args: argparse.Namespace, folder: RunFolder, record: RunRecord | None, step: int, tile_list: TileList
) -> None:
    """Say how to make maps with the chosen checkpoint, unless a training has removed it since."""
    checkpoint = folder.generator(step)
    if checkpoint.is_file():
        backbone = None if record else args.backbone
        window = None if record and record.tile_size else tile_list.tiles.reader.tile_size
        say(str(prediction(args.dataset, args.data_dir, tile_list.path, checkpoint, backbone, window)))


def unsaved(scores: Path) -> str:
    """What an end in the middle of a checkpoint loses."""
    kept = f"; {scores} holds those evaluated before" if scores.is_file() else ""
    return f"the scores of the checkpoint under way are lost{kept}"


def exit_code(checkpoints: Checkpoints, stop: StopRequest) -> int:
    """Say what was left out; 0 where nothing was."""
    skipped, left = sorted(checkpoints.skipped), checkpoints.pending
    if skipped:
        say(f"skipped {len(skipped)} checkpoints: {first_steps(skipped)}", file=sys.stderr)
    if left:
        reason = stop.reason or checkpoints.gave_up or "the end came"
        say(f"{reason} before {len(left)} checkpoints: {first_steps(left)}", file=sys.stderr)
    return stop.exit_code or (SKIPPED if skipped or left else 0)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(auto_evaluate, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
