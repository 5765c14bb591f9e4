"""The options of tools/benchmark.py."""

from dataclasses import asdict
from pathlib import Path

from data.settings import DataSettings
from model.networks.names import BACKBONES, classifier_names
from tools.benchmarks.settings import PARTS, QUICK, BenchmarkSettings, Sizes
from tools.cli.as_settings import parsed, settings_of
from tools.cli.options.shared import add_data_options, add_machine_options
from tools.cli.parser import CommandParser, batch_size, count, image_size, one_of
from utils.compute.number_formats import PRECISIONS
from utils.selection.names import STRATEGY_NAMES


def parse_args(description: str | None, argv: list[str] | None = None) -> BenchmarkSettings:
    """What the options say."""
    parser = CommandParser(description=description)
    add_data_options(parser, "--dataset", required=False)
    add = parser.add_argument
    add("--all", action="store_true", help="everything but pools, on made tiles: each precision, compiled or not")
    add("--quick", action="store_true", help="small settings, where no others are given")
    add("--parts", nargs="+", choices=PARTS, default=list(PARTS[:4]), help="what to measure")
    add("--plain", action="store_true", help="also measure fp32, contiguous, no cache, no workers")
    for name, kind, metavar, text in (
        ("backbone", one_of("backbone", list(BACKBONES)), None, "of the generator"),
        ("model_name", one_of("network", classifier_names()), None, "of the learner"),
        ("batch_size", batch_size, "N", "labelled, and again unlabelled, tiles"),
        ("input_size", image_size, "H,W", "pixels of a crop"),
        ("steps", count(2), "N", "measured steps, after some to warm up"),
        ("map_side", count(), "N", "pixels of a side of the image that a map is made of with --all"),
    ):
        usual, quick = (
            ",".join(map(str, v)) if isinstance(v, tuple) else v for v in (getattr(s, name) for s in (Sizes(), QUICK))
        )
        flag = "--" + name.replace("_", "-")
        add(flag, type=kind, metavar=metavar, help=f"{text}; default {usual}, quick {quick}")
    add("--query-strategy", choices=STRATEGY_NAMES, default="margin", help="of the part pool, whose tiles are made")
    add("--pool-tiles", nargs="+", type=count(200), default=[2000, 100000], metavar="N", help="sizes of its pools")
    add("--compile", action="store_true", help="compile the networks")
    add("--out", type=Path, metavar="FILE", help="the table; default benchmark.json, or benchmark.md")
    machine = add_machine_options(parser, seed=0)
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format")
    options = parser.parse_args(argv)
    if options.dataset is not None and (options.data_dir is None or options.data_list is None):
        parser.error("--dataset needs --data-dir and --data-list; without --dataset synthetic tensors are used")
    sizes = asdict(QUICK if options.quick else Sizes())
    given = {name: getattr(options, name) for name in sizes if getattr(options, name) is not None}
    return parsed(
        parser,
        BenchmarkSettings,
        options,
        sizes=Sizes(**(sizes | given)),
        data=settings_of(DataSettings, options) if options.dataset else None,
        out=options.out or Path("benchmark.md" if options.all else "benchmark.json"),
    )
