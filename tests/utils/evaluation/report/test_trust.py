from typing import Any

import pytest

from utils.evaluation.report.trust import area_section, confidence_section

BINS = 15


def reliability(levels: dict[int, tuple[float, float, float]]) -> dict[str, Any]:
    """Share, confidence and accuracy by bin; empty elsewhere."""
    found: dict[str, Any] = {"share": [0.0] * BINS, "confidence": [None] * BINS, "accuracy": [None] * BINS}
    for place, values in levels.items():
        for key, value in zip(found, values, strict=True):
            found[key][place] = value
    return found | {"mean_confidence": sum(share * sure for share, sure, _ in levels.values())}


def summary(**changes: Any) -> dict[str, Any]:
    calibration = {
        "temperature": 1.6, "list": "val.txt", "measured_on": "test.txt", "held_out": True, "ece_before": 0.12,
        "ece_after": 0.03, "pixels": 12_345, "tiles": 60, "file": "run/calibration.json",
        "reliability_before": reliability({14: (0.5, 0.98, 0.8), 10: (0.5, 0.7, 0.6)}),
        "reliability_after": reliability({14: (0.2, 0.95, 0.9), 10: (0.8, 0.72, 0.65)}),
    }  # fmt: skip
    return {"calibration": calibration | changes}


def test_a_network_that_is_too_sure_is_called_so_with_its_temperature():
    text = confidence_section(summary(), {}, "the test list")
    assert "it is 84% on average, and 70% of the pixels are right: the network is too sure" in text
    assert "is 0.120" in text
    assert "At temperature 1.60, fitted on val.txt, all probabilities are evened out, which leaves 0.030" in text
    assert "It is kept in run/calibration.json" in text
    assert "<td>above 93%</td><td>20.0%</td><td>90.0%</td>" in text
    assert "<td>60% to 80%</td><td>80.0%</td><td>65.0%</td>" in text
    assert "<td>up to 60%</td><td>0.0%</td><td>–</td>" in text
    assert "optimistic" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"held_out": False}, "which it was fitted on, so this error is optimistic"),
        ({"ece_after": 0.2}, "which does not help here: the error is then 0.200"),
        ({"temperature": 0.8}, "sharpened"),
        ({"file": None}, "It is not kept in the run&#x27;s folder"),
        ({"reliability_before": reliability({10: (1.0, 0.7, 0.9)})}, "not as sure as it could be"),
        ({"reliability_before": reliability({10: (1.0, 0.7, 0.71)})}, "about as sure as it is right"),
    ],
)
def test_what_has_to_be_said_of_a_calibration_is_said(changes: dict[str, Any], words: str):
    assert words in confidence_section(summary(**changes), {}, "val.txt")


def test_without_a_calibration_or_areas_there_are_no_sections():
    assert confidence_section({"calibration": None}, {}, "val.txt") == ""
    assert area_section({"areas": None}, {}, [], "val.txt") == ""


def area(name: str, mapped: float, adjusted: float, hectares: float | None = None, **ends: float) -> dict[str, Any]:
    given = {"low": None, "high": None} | ends
    shares = {"name": name, "mapped_share": mapped, "adjusted_share": adjusted}
    return shares | given | {"mapped_hectares": hectares, "adjusted_hectares": hectares}


def areas_of(*classes: dict[str, Any], why: str | None = None, is_optimistic: bool = False) -> str:
    areas = {"unit": "scenes", "units": 60, "why_no_intervals": why, "classes": classes}
    found = {"areas": areas, "confusion": {"optimistic": is_optimistic}}
    return area_section(found, {}, [(0, 0, 0)] * len(classes), "the test list")


def test_areas_are_shares_with_their_intervals_and_classes_that_are_nowhere_are_left_out():
    text = areas_of(area("land", 0.75, 0.7, low=0.65, high=0.76), area("water", 0.25, 0.3), area("snow", 0, 0))
    assert "land</td><td>75.0%</td><td>70.0%<small>65.0%–76.0%</small></td><td>+5.0</td></tr>" in text
    assert "water</td><td>25.0%</td><td>30.0%</td><td>-5.0</td></tr>" in text
    assert "snow" not in text
    assert "hectares" not in text
    assert "over 60 scenes" in text
    assert "optimistic" not in text


def test_areas_are_in_hectares_too_where_the_size_of_a_pixel_is_known():
    text = areas_of(area("land", 1, 1, 1234.5), why="too few", is_optimistic=True)
    assert "<td>1,234.50</td><td>1,234.50</td>" in text
    assert "Too few." in text
