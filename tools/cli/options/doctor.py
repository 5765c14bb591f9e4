"""The options of `tools/prepare_data.py check`."""

import argparse
from pathlib import Path

from model.networks.names import BACKBONES
from tools.cli.parser import count, dataset_name, image_size, one_of


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    data = parser.add_argument_group("data")
    names = "ucm, deepglobe or custom, in any case"
    data.add_argument("--dataset", "--dataset-name", type=dataset_name, required=True, metavar="NAME", help=names)
    data.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="the data set's folder")
    data.add_argument("--data-list", type=Path, required=True, metavar="FILE", help="tile names, one a line")
    data.add_argument("--test-list", type=Path, metavar="FILE", help="tiles that are scored in the end")
    data.add_argument("--val-list", type=Path, metavar="FILE", help="tiles that choose between checkpoints")
    data.add_argument("--num-classes", type=count(2), metavar="N", help="pixel classes, to be checked")
    size = "pixels that smaller tiles are padded to in evaluation"
    data.add_argument("--input-size", type=image_size, default=(320, 320), metavar="H,W", help=size)
    training = parser.add_argument_group("training")
    chosen = "names that tools/train_AL.py chose"
    training.add_argument("--active-learning-images-array", type=Path, metavar="FILE", help=chosen)
    source = "weights that training starts from; default the file in pretrained_models/"
    training.add_argument("--restore-from", metavar="WEIGHTS", help=source)
    training.add_argument(
        "--backbone", type=one_of("backbone", list(BACKBONES)), default="resnet101", help=", ".join(BACKBONES)
    )
    run_folder = "where checkpoints would be saved"
    training.add_argument("--checkpoint-dir", type=Path, default=Path("checkpoint"), metavar="DIR", help=run_folder)
    training.add_argument(
        "--device", type=one_of("device", ("auto", "cuda", "cpu")), help="auto, cuda or cpu; default auto"
    )
    output = parser.add_argument_group("output")
    picture = "picture of one tile, its mask and its classes"
    output.add_argument("--out", type=Path, default=Path("check.png"), metavar="FILE", help=picture)
    output.add_argument("--json", action="store_true", help="print the findings as JSON")
    output.add_argument("--debug", action="store_true", help="show a traceback with an error")
