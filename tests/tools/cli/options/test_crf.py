from pathlib import Path

import pytest

from data.settings import MapSourceSettings
from tools.cli.options.crf import add_crf_options, crf_settings, options_table
from tools.cli.parser import CommandParser
from tools.settings.maps import PredictionSettings
from utils.evaluation.settings import CRFSettings


def parsed(*options: str) -> CRFSettings | None:
    parser = CommandParser()
    parser.add_argument("--crf", action="store_true")
    add_crf_options(parser)
    return crf_settings(parser.parse_args(list(options)))


def test_the_defaults_are_deeplabs():
    assert parsed("--crf") == CRFSettings(10, 1, 3, 67, 3, 4)
    assert parsed() is None


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--crf-gaussian-sigma", "2.5", "gaussian_sigma"),
        ("--crf-gaussian-weight", "0", "gaussian_weight"),
        ("--crf-bilateral-sigma", "40", "bilateral_sigma_xy"),
        ("--crf-colour-sigma", "13", "bilateral_sigma_rgb"),
        ("--crf_bilateral_weight", "10", "bilateral_weight"),
        ("--crf-iterations", "0", "iterations"),
    ],
)
def test_each_option_sets_its_own_field(option, value, field):
    assert vars(parsed("--crf", option, value)) == vars(CRFSettings()) | {field: float(value)}


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--crf-colour-sigma", "0", "of at least 0.25"),
        ("--crf-bilateral-weight", "-1", "of at least 0"),
        ("--crf-iterations", "1.5", "whole number"),
    ],
)
def test_values_out_of_range_are_refused(capsys, option, value, expected):
    with pytest.raises(SystemExit):
        parsed(option, value)
    assert expected in capsys.readouterr().err


def test_a_job_is_told_in_the_names_of_its_options():
    source = MapSourceSettings(images=Path("scenes"))
    table = options_table(PredictionSettings(source, crf=CRFSettings(iterations=3, bilateral_sigma_rgb=5)))
    assert (table["crf"], table["crf_iterations"], table["crf_colour_sigma"]) == (True, 3, 5)
    assert list(table) == sorted(table)
    assert options_table(PredictionSettings(source))["crf"] is False
