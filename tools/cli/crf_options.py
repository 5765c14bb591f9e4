"""The dense CRF's options, shared by the commands that refine maps with it."""

import argparse

from tools.cli.parser import count, number
from utils.evaluation.crf_settings import MIN_SIGMA, CRFSettings


def add_crf_options(parser: argparse.ArgumentParser) -> None:
    """`--crf-gaussian-sigma` … `--crf-iterations`; the defaults are DeepLab's."""
    add = parser.add_argument_group("dense CRF").add_argument
    width, weight, default = number(MIN_SIGMA), number(0), CRFSettings()
    add(
        "--crf-gaussian-sigma",
        type=width,
        default=default.gaussian_sigma,
        metavar="PIXELS",
        help="width (standard deviation) of the position kernel",
    )
    add(
        "--crf-gaussian-weight",
        type=weight,
        default=default.gaussian_weight,
        metavar="W",
        help="weight of the position kernel; 0 drops it",
    )
    add(
        "--crf-bilateral-sigma",
        type=width,
        default=default.bilateral_sigma_xy,
        metavar="PIXELS",
        help="width of the kernel of position and colour, in position",
    )
    add(
        "--crf-colour-sigma",
        type=width,
        default=default.bilateral_sigma_rgb,
        metavar="LEVELS",
        help="its width in each colour channel, in levels of 0-255",
    )
    add(
        "--crf-bilateral-weight",
        type=weight,
        default=default.bilateral_weight,
        metavar="W",
        help="weight of the kernel of position and colour; 0 drops it",
    )
    add("--crf-iterations", type=count(0, 1000), default=default.iterations, metavar="N", help="mean-field updates")


def crf_settings(args: argparse.Namespace) -> CRFSettings:
    """The settings that the options of `add_crf_options` ask for."""
    return CRFSettings(
        iterations=args.crf_iterations,
        gaussian_sigma=args.crf_gaussian_sigma,
        gaussian_weight=args.crf_gaussian_weight,
        bilateral_sigma_xy=args.crf_bilateral_sigma,
        bilateral_sigma_rgb=args.crf_colour_sigma,
        bilateral_weight=args.crf_bilateral_weight,
    )
