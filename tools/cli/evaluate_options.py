"""The options of tools/auto_evaluate.py."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from model.networks.names import BACKBONES
from tools.cli.crf_options import add_crf_options
from tools.cli.parser import CommandParser, batch_size, count, image_size, number, one_of, refuse_huge_batch
from tools.cli.shared_options import add_data_options, add_machine_options
from utils.number_formats import PRECISIONS

if TYPE_CHECKING:
    from utils.evaluation.evaluate import Views

MAX_STEPS = 1_000_000  # checkpoints of a range

FIRST_STEP, LAST_STEP = 100, 20000  # of the published range, which goes on by the first


def parse_args(description: str | None, argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command's options."""
    parser = CommandParser(description=description)
    _add_data(parser)
    _add_checkpoints(parser)
    _add_machine(parser)
    _add_results(parser)
    add_crf_options(parser)
    args = parser.parse_args(argv)
    if not args.follow:  # else the run says where its range ends
        settle_range(args, FIRST_STEP, LAST_STEP, FIRST_STEP)
    first, last = args.start_eval or 1, args.end_eval or max(LAST_STEP, args.start_eval or 1)
    if last < first:
        parser.error(f"--end-eval {args.end_eval} lies before --start-eval {args.start_eval}")
    steps = (last - first) // (args.step_eval or FIRST_STEP) + 1
    if steps > MAX_STEPS and not args.all:
        parser.error(
            f"--start-eval, --end-eval and --step-eval ask for {steps} checkpoints, and {MAX_STEPS} are the most; "
            "raise --step-eval"
        )
    refuse_huge_batch(parser, "--batch-size", args.batch_size or 1, args.input_size)
    return args


def settle_range(args: argparse.Namespace, first: int, last: int, every: int) -> None:
    """Fill in what was not given of the range of steps."""
    args.step_eval = args.step_eval or every
    args.start_eval = args.start_eval or first
    args.end_eval = args.end_eval or last


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = add_data_options(parser, "--dataset", "--dataset-name", default="ucm")
    data.add_argument(
        "--test-list",
        type=Path,
        metavar="FILE",
        help="tiles that only the checkpoint chosen on --data-list is scored on",
    )
    data.add_argument("--num-classes", type=count(2), metavar="N", help="pixel classes; checked, not needed")
    data.add_argument(
        "--ignore-label", type=count(0, 255), metavar="ID", help="mask id that is not scored; default that of the run"
    )
    data.add_argument(
        "--input-size",
        type=image_size,
        default=(320, 320),
        metavar="H,W",
        help="pixels that smaller tiles are padded to",
    )
    data.add_argument(
        "--eval-size",
        choices=("tile", "file"),
        default="tile",
        help="score at tile size, or on the grid of each mask file",
    )


def _add_checkpoints(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("checkpoints").add_argument
    add("--checkpoint-dir", type=Path, default=Path("checkpoint"), metavar="DIR", help="folder of the run")
    own = "with --follow as the run's options.json says"
    add("--start-eval", type=count(), metavar="N", help=f"first step; default {FIRST_STEP}, {own}")
    add("--end-eval", type=count(), metavar="N", help=f"last step; default {LAST_STEP}, {own}")
    add("--step-eval", type=count(), metavar="N", help=f"steps between checkpoints; default {FIRST_STEP}, {own}")
    add("--all", action="store_true", help="every checkpoint of the folder, whatever its step")
    add("--follow", action="store_true", help="wait for the checkpoints of a training that is running")
    add(
        "--max-idle-minutes",
        type=number(0, above=True),
        default=60.0,
        metavar="M",
        help="with --follow: end where nothing in the run's folder has changed for so long",
    )
    add("--max-hours", type=number(0, above=True), metavar="H", help="end after this time, with what is evaluated")
    add("--backbone", type=one_of("backbone", list(BACKBONES)), help="of the generator; default as options.json says")


def _add_machine(parser: argparse.ArgumentParser) -> None:
    machine = add_machine_options(parser, seed=0)
    machine.add_argument(
        "--gpu", type=count(0), metavar="N", help="ask for CUDA device N, the first of several processes'; default 0"
    )
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format of the network")
    machine.add_argument(
        "--batch-size", type=batch_size, metavar="N", help="tiles of a batch; default 4 on a CPU, 16 on a GPU"
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("results").add_argument
    add("--save-dir", type=Path, default=Path("results"), metavar="DIR", help="folder of results")
    add("--overwrite", action="store_true", help="replace the results in --save-dir")
    add("--flip", action="store_true", help="average with the mirrored tile")
    add("--scales", type=_scales, default=(1.0,), metavar="S,…", help="average over the tile resized by these factors")
    add("--resamples", type=count(100, 100_000), default=1000, metavar="N", help="of the bootstrap, for intervals")
    add("--crf", action="store_true", help="also score maps refined by a dense CRF")


def _scales(text: str) -> tuple[float, ...]:
    """`0.75,1,1.25` as numbers, each once."""
    factor = number(0.1, 4)
    scales = tuple(factor(part.strip()) for part in text.split(","))
    if len(set(scales)) < len(scales):
        raise argparse.ArgumentTypeError(f"expected different factors such as 0.75,1,1.25, found '{text}'")
    return scales


def views_of(args: argparse.Namespace) -> "Views":
    """The views of a tile that are averaged."""
    from utils.evaluation.evaluate import Views  # with torch

    return Views(args.scales, args.flip)
