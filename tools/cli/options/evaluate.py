"""The options of tools/auto_evaluate.py."""

import argparse
from pathlib import Path

from model.networks.names import BACKBONES
from tools.cli.as_settings import parsed
from tools.cli.options.crf import add_crf_options, crf_settings
from tools.cli.options.shared import add_data_options, add_machine_options
from tools.cli.parser import CommandParser, batch_size, count, image_size, number, one_of, refuse_huge_batch
from tools.settings.maps import EvaluationSettings
from utils.compute.number_formats import PRECISIONS
from utils.evaluation.settings import FIRST_STEP, LAST_STEP


def parse_args(description: str | None, argv: list[str] | None = None) -> EvaluationSettings:
    """From words to settings."""
    parser = CommandParser(description=description)
    _add_data(parser)
    _add_checkpoints(parser)
    _add_machine(parser)
    _add_results(parser)
    add_crf_options(parser)
    options = parser.parse_args(argv)
    settings = parsed(parser, EvaluationSettings, options, crf=crf_settings(options))
    refuse_huge_batch(parser, "--batch-size", settings.batch_size or 1, settings.input_size or (320, 320))
    return settings


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
        metavar="H,W",
        help="pixels that tiles are seen in: smaller ones are padded to it, larger ones read in several such windows; "
        "default as in training, else 320,320",
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
        "--batch-size",
        type=batch_size,
        metavar="N",
        help="tiles, or windows of larger tiles, of a batch; default by size, up to 4 on a CPU, 16 on a GPU",
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("results").add_argument
    add("--save-dir", type=Path, default=Path("results"), metavar="DIR", help="folder of results")
    add("--overwrite", action="store_true", help="replace the results in --save-dir")
    add("--flip", action="store_true", help="average with the mirrored tile")
    add("--scales", type=_scales, default=(1.0,), metavar="S,…", help="average over the tile resized by these factors")
    add("--resamples", type=count(100, 100_000), default=1000, metavar="N", help="of the bootstrap, for intervals")
    add(
        "--no-calibration",
        action="store_true",
        help="leave out the pass over each list that measures confidence, fits its temperature and pictures a scene",
    )
    add("--crf", action="store_true", help="also score maps refined by a dense CRF")


def _scales(text: str) -> tuple[float, ...]:
    """`0.75,1,1.25` as numbers, each once."""
    factor = number(0.1, 4)
    scales = tuple(factor(part.strip()) for part in text.split(","))
    if len(set(scales)) < len(scales):
        raise argparse.ArgumentTypeError(f"expected different factors such as 0.75,1,1.25, found '{text}'")
    return scales
