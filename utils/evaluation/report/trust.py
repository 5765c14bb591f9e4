"""The sections of the report on confidence and on areas."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from utils.drawing.html import paragraph, picture, section, swatch, table
from utils.evaluation.calibration.reliability import BINS
from utils.wording import worded

_LEVELS = (14, 12, 9, 0)  # bins from which on confidence is high, …: above 93 %, 80 %, 60 %, and the rest
_CLOSE = 0.02  # between mean confidence and accuracy, below which a network is neither too sure nor too unsure
Colours = Sequence[tuple[int, int, int]]


def confidence_section(summary: Mapping[str, Any], pictures: Mapping[str, bytes], on: str) -> str:
    """Can the map be trusted where it is sure."""
    calibration = summary["calibration"]
    if calibration is None:
        return ""
    return section(
        "Can it be trusted where it is sure",
        paragraph(_confidence_words(calibration, on)),
        paragraph(_temperature_words(calibration)),
        table(
            ["confidence, at the temperature", "share of the pixels", "of them right"],
            _levels(calibration["reliability_after"]),
        ),
        picture(
            pictures.get("reliability.png"),
            f"Pixels of {on} by the probability of their class, in {BINS} bins: how many of them are right (above), "
            "how many there are (below). On the dashed line a network is right as often as it "
            "says; below it, less often.",
        ),
    )


def _confidence_words(calibration: Mapping[str, Any], on: str) -> str:
    before = calibration["reliability_before"]
    sure, right = before["mean_confidence"], _accuracy(before)
    verdict = "about as sure as it is right"
    if abs(sure - right) > _CLOSE:
        verdict = "too sure" if sure > right else "not as sure as it could be"
    return (
        f"A pixel's confidence is the probability that the network gives its class. On {on} it is {sure:.0%} on "
        f"average, and {right:.0%} of the pixels are right: the network is {verdict}. The expected calibration error, "
        f"the mean gap between both over {BINS} bins of confidence (Guo et al. 2017), is "
        f"{calibration['ece_before']:.3f}."
    )


def _temperature_words(calibration: Mapping[str, Any]) -> str:
    before, after = calibration["ece_before"], calibration["ece_after"]
    held_out = "" if calibration["held_out"] else ", which it was fitted on, so this error is optimistic"
    change = "which leaves" if after <= before else "which does not help here: the error is then"
    kept = _where_kept(calibration)
    return (
        f"At temperature {calibration['temperature']:.2f}, fitted on {calibration['list']}, all probabilities are "
        f"{'evened out' if calibration['temperature'] > 1 else 'sharpened'}, {change} {after:.3f} on "
        f"{calibration['measured_on']}{held_out}. {kept} No pixel changes its class. Both are measured on "
        f"{calibration['pixels']:,} pixels drawn from all {calibration['tiles']:,} tiles."
    )


def _where_kept(calibration: Mapping[str, Any]) -> str:
    """Whether maps will know the temperature."""
    if calibration.get("file") is None:
        return "It is not kept in the run's folder, so maps will not know it."
    return worded("It is kept in {}, and confidence maps of this checkpoint use it.", calibration["file"])


def _accuracy(reliability: Mapping[str, Any]) -> float:
    return sum(s * (a or 0.0) for s, a in zip(reliability["share"], reliability["accuracy"], strict=True))


def _levels(reliability: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the table: confidence at the temperature, share of the pixels, share of those that is right."""
    rows, end = [], BINS
    for first in _LEVELS:
        shares, right = (reliability[key][first:end] for key in ("share", "accuracy"))
        whole = sum(shares)
        hits = sum(share * (value or 0.0) for share, value in zip(shares, right, strict=True))
        words = f"above {first / BINS:.0%}" if end == BINS else f"{first / BINS:.0%} to {end / BINS:.0%}"
        words = words if first else f"up to {end / BINS:.0%}"
        rows.append([words, f"{whole:.1%}", f"{hits / whole:.1%}" if whole else "–"])
        end = first
    return rows


def area_section(summary: Mapping[str, Any], pictures: Mapping[str, bytes], colours: Colours, on: str) -> str:
    """How much area there is of each class."""
    areas = summary["areas"]
    if areas is None:
        return ""
    return section(
        "How much area each class has",
        paragraph(_area_words(areas, on, summary["confusion"]["optimistic"])),
        _areas(areas["classes"], colours),
        picture(
            pictures.get("areas.png"),
            f"Share of the labelled pixels of {on} that is mapped as each class, and that share adjusted for what the "
            "map confuses.",
        ),
    )


def _area_words(areas: Mapping[str, Any], on: str, is_optimistic: bool) -> str:
    words = (
        "A map counts what it confuses in the wrong class; areas that are adjusted for its confusions (Olofsson et al. "
        f"2014) are not biased by them. On {on} itself they are the true areas, so the gap is what the map gets wrong. "
    )
    if areas["why_no_intervals"]:
        words += f"{areas['why_no_intervals'].capitalize()}. "
    else:
        words += (
            f"In small letters: how far the adjusted share of a map like this would scatter with other {areas['unit']} "
            f"as the reference (95 % bootstrap interval over {areas['units']:,} {areas['unit']}"
            f"{'; optimistic' if is_optimistic else ''}). "
        )
    return words + worded(
        "For a map of other scenes, tools/predict.py with {accuracy} and the summary.json of this folder adjusts its "
        "areas, as far as they look like these tiles."
    )


def _areas(classes: Sequence[Mapping[str, Any]], colours: Colours) -> str:
    rows = []
    with_hectares = any(entry["mapped_hectares"] is not None for entry in classes)
    for entry, colour in zip(classes, colours, strict=True):
        mapped, adjusted = entry["mapped_share"], entry["adjusted_share"]
        if not mapped and not adjusted:
            continue
        low, high = entry["low"], entry["high"]
        interval = "" if low is None else f"<small>{low:.1%}–{high:.1%}</small>"
        hectares = [f"{entry[key]:,.2f}" for key in ("mapped_hectares", "adjusted_hectares")] if with_hectares else []
        gap = f"{100 * (mapped - adjusted):+.1f}"
        rows.append(
            [swatch(colour) + escape(entry["name"]), f"{mapped:.1%}", f"{adjusted:.1%}{interval}", gap, *hectares]
        )
    header = ["class", "on the map", "adjusted", "map minus adjusted, points"]
    return table([*header, *(["hectares on the map", "hectares adjusted"] if with_hectares else [])], rows)
