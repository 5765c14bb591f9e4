"""The options of tools/predict.py."""

import argparse
from pathlib import Path

from tools.cli.as_settings import parsed
from tools.cli.options.crf import add_crf_options, crf_settings
from tools.cli.options.network import add_network_options
from tools.cli.parser import CommandParser, batch_size, dataset_name, image_size, number, one_of
from tools.settings.maps import PredictionSettings
from utils.compute.number_formats import PRECISIONS
from utils.evaluation.settings import WindowSettings


def parse_args(description: str | None, argv: list[str] | None = None) -> PredictionSettings:
    """From words to settings."""
    parser = CommandParser(description=description)
    add_network_options(parser)
    _add_images(parser)
    _add_prediction(parser)
    add_crf_options(parser)
    _add_results(parser)
    options = parser.parse_args(argv)
    return parsed(parser, PredictionSettings, options, crf=crf_settings(options))


def _add_images(parser: argparse.ArgumentParser) -> None:
    images = parser.add_argument_group("images")
    source = images.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--images", type=Path, nargs="+", metavar="PATH", help="image files, VRTs, and folders with all below them"
    )
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
    images.add_argument(
        "--other-scale",
        type=one_of("way", ("refuse", "resample", "accept")),
        default="refuse",
        metavar="refuse|resample|accept",
        help="of a scene whose metres per pixel are more than 20 %% from the run's: name it and go on without it, "
        "resample it, or take it as it is; default refuse",
    )
    images.add_argument("--aoi", type=Path, metavar="FILE", help="polygons outside of which nothing is mapped")
    images.add_argument(
        "--exif",
        type=one_of("way", ("apply", "ignore")),
        metavar="apply|ignore",
        help="turn images as their EXIF orientation says, or not; default as the data set says, else apply",
    )


def _add_prediction(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("prediction").add_argument
    add(
        "--input-size",
        type=image_size,
        metavar="H,W",
        help="pixels of the largest window; smaller images are seen at once; default as in training",
    )
    add(
        "--overlap",
        type=number(0, 0.9),
        default=WindowSettings.overlap,
        metavar="R",
        help="share of the largest window that neighbours have in common, as context of one another",
    )
    add("--flip", action="store_true", help="average with the prediction of the mirrored image")
    add("--crf", action="store_true", help="refine each window by a dense CRF: seconds a window, on the CPU")
    add("--batch-size", type=batch_size, metavar="N", help="windows, or small images, of a batch; default by size")
    add("--device", type=one_of("device", ("auto", "cuda", "cpu")), help="auto, cuda or cpu; default auto")
    add("--precision", choices=PRECISIONS, default="auto", help="number format of the network")
    add("--debug", action="store_true", help="show a traceback with an error")


def _add_results(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("results").add_argument
    add("--save-dir", type=Path, default=Path("predictions"), metavar="DIR", help="folder of the maps")
    add("--confidence", action="store_true", help="also write the probability of the chosen class, in percent")
    add("--probabilities", action="store_true", help="also write the probabilities of all classes, in percent")
    add("--polygons", type=Path, metavar="FILE", help="also write polygons, of all scenes, to this GeoPackage")
    add(
        "--min-area",
        type=number(0),
        default=0.0,
        metavar="M2",
        help="square metres that a polygon has at least; default 0: none is dropped",
    )
    add(
        "--accuracy",
        type=Path,
        metavar="FILE",
        help="summary.json of an evaluation: adjust the areas of class_areas.csv for the errors of the map",
    )
    add("--ids-only", action="store_true", help="of images without a place: leave out colour/ and overlay/")
    add("--overwrite", action="store_true", help="replace the prediction in --save-dir, and the file of --polygons")
