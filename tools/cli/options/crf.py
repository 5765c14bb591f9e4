"""The dense CRF's options, shared by the commands that refine maps with it."""

import argparse
from typing import Any

from tools.cli.parser import count, number
from utils.evaluation.settings import MIN_SIGMA, CRFSettings
from utils.settings import as_plain

_OPTIONS = {  # fields of CRFSettings, and the options that set them
    "iterations": "crf_iterations",
    "gaussian_sigma": "crf_gaussian_sigma",
    "gaussian_weight": "crf_gaussian_weight",
    "bilateral_sigma_xy": "crf_bilateral_sigma",
    "bilateral_sigma_rgb": "crf_colour_sigma",
    "bilateral_weight": "crf_bilateral_weight",
}


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


def crf_settings(options: argparse.Namespace) -> CRFSettings | None:
    """The settings that the options of `add_crf_options` ask for; None without `--crf`."""
    return CRFSettings(**{field: getattr(options, name) for field, name in _OPTIONS.items()}) if options.crf else None


def options_table(settings: Any) -> dict[str, Any]:
    """Settings of a job as one flat table in which the CRF's fields, too, are called as the options."""
    table = {_OPTIONS.get(name, name): value for name, value in as_plain(settings).items()}
    return dict(sorted((table | {"crf": settings.crf is not None}).items()))
