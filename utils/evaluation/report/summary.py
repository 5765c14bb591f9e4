"""The words and numbers for what an evaluation comes to: `summary.json`, and what is said in the end."""

from collections.abc import Mapping
from typing import Any

from utils.console import say
from utils.evaluation.areas.of_summary import KEY, confusion_summary
from utils.evaluation.metric import CLASS_SCORES, fraction
from utils.evaluation.report.comparison import Comparison, Row, in_words, shares_of
from utils.evaluation.tile_lists import CheckpointScores, ListScorer

COLUMNS = ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")


def summary_of(
    options: Mapping[str, Any],
    comparison: Comparison,
    conditions: Mapping[str, Any],
    skipped: Mapping[int, str],
    seconds: float,
) -> dict[str, Any]:
    """The content of `summary.json`.

    Args:
        options: what the evaluation was told, as a flat table.
        comparison: what came out.
        conditions: network, sizes and machine.
        skipped: reasons by step.
        seconds: of the whole command.
    """
    test, chosen_on = comparison.test, comparison.chosen_on
    return dict(conditions) | {
        "chosen": {
            "step": comparison.best.step,
            "of": len(comparison.rows),
            "on": str(chosen_on.tiles.path),
        },
        "data_list": _list_summary(chosen_on, comparison.best, is_chosen_on=True),
        "test_list": _list_summary(comparison.test_list, test, False) if test and comparison.test_list else None,
        "crf": _refined_summary(comparison.refined),
        "classes": _class_summary(comparison),
        "calibration": _calibration_summary(comparison, conditions.get("calibration_file")),
        "scene": _scene_summary(comparison),
        "areas": _area_summary(comparison),
        KEY: _confusion_summary(comparison),
        "checkpoints": [_row_summary(row) for row in comparison.rows],
        "skipped": [{"step": step, "reason": reason} for step, reason in sorted(skipped.items())],
        "seconds": round(seconds, 2),
        "options": dict(options),
    }


def _list_summary(scorer: ListScorer, evaluation: CheckpointScores, is_chosen_on: bool) -> dict[str, Any]:
    """What a list says about the chosen checkpoint."""
    plain, refined = evaluation.plain, evaluation.refined
    return {
        "path": str(scorer.tiles.path),
        "tiles": len(scorer.tiles.names),
        "overlapping_tiles": scorer.tiles.overlapping,
        "labelled_training_tiles": scorer.num_labelled,
        "pixels": sum(plain.scores.class_pixels),
        "chosen_on_this_list": is_chosen_on,
        "scores": plain.scores.published(),
        "interval": plain.interval.as_plain() | {"optimistic": is_chosen_on, "text": str(plain.interval)},
        "scores_crf": refined.scores.published() if refined else None,
        "seconds": round(evaluation.seconds, 2),
    }


def _class_summary(comparison: Comparison) -> list[dict[str, Any]]:
    evaluation, scorer = comparison.shown
    scores, names = evaluation.plain.scores, scorer.tiles.classes
    of_classes, shares = scores.of_classes(), shares_of(scores)
    return [
        {"id": index, "name": name}
        | {score: of_classes[score][index] for score in CLASS_SCORES}
        | {"intervals": {score: list(comparison.class_intervals[score][index]) for score in CLASS_SCORES}}
        | {"pixels": scores.class_pixels[index], "share": shares[index]}
        for index, name in enumerate(names)
    ]


def _calibration_summary(comparison: Comparison, file: str | None) -> dict[str, Any] | None:
    if comparison.confidence is None:
        return None
    return {"file": file, **comparison.confidence.calibration.as_plain()}


def _confusion_summary(comparison: Comparison) -> dict[str, Any]:
    tiles, learned = comparison.shown[1].tiles, comparison.shown[1].num_labelled
    is_optimistic = comparison.is_optimistic or bool(learned)
    return confusion_summary(comparison.units, tiles.classes, str(tiles.path), is_optimistic)


def _area_summary(comparison: Comparison) -> dict[str, Any] | None:
    """Areas on the list that is shown, as shares, and in hectares where the size of a pixel is known."""
    areas, tiles = comparison.areas, comparison.shown[1].tiles
    if areas is None:
        return None
    whole, metres = sum(areas.mapped), tiles.metres_per_pixel
    hectares = None if metres is None else metres**2 / 10_000  # of a pixel
    rows = zip(tiles.classes, areas.mapped, areas.areas, areas.ends, strict=True)
    return {
        "overall_accuracy": areas.overall,
        "unit": areas.unit,
        "units": areas.units,
        "why_no_intervals": areas.why_none or None,
        "classes": [
            {
                "name": name,
                "mapped_share": mapped / whole,
                "adjusted_share": adjusted / whole,
                "low": None if low is None else low / whole,
                "high": None if high is None else high / whole,
                "mapped_hectares": None if hectares is None else mapped * hectares,
                "adjusted_hectares": None if hectares is None else adjusted * hectares,
            }
            for name, mapped, adjusted, (low, high) in rows
        ],
    }


def _scene_summary(comparison: Comparison) -> dict[str, Any] | None:
    if comparison.confidence is None:
        return None
    scene, tiles = comparison.confidence.canvas.scene, comparison.shown[1].tiles
    return {
        "name": scene.name,
        "tiles": len(scene.members),
        "height": scene.height,
        "width": scene.width,
        "text": scene.in_words(tiles.metres_per_pixel),
    }


def _row_summary(row: Row) -> dict[str, Any]:
    values = {name: getattr(row.scores, name) for name in COLUMNS}
    values |= {"low": row.interval.low, "high": row.interval.high}
    if row.refined is not None:
        values["mean_iou_crf"] = row.refined.mean_iou
    return {"step": row.step, **values, "seconds": round(row.seconds, 2)}


def _refined_summary(row: Row | None) -> dict[str, Any] | None:
    if row is None or row.refined is None or row.refined_interval is None:
        return None
    return {"step": row.step, "scores": row.refined.published(), "interval": row.refined_interval.as_plain()}


def say_comparison(comparison: Comparison) -> None:
    """Say how each class does, which checkpoint is best, and what that may be taken for."""
    heads = ("IoU", "producer's", "user's", "F1")
    say(f"{'class':<20}{''.join(f'{head:>11}' for head in heads)} {'pixels':>14} {'share':>7}")
    for entry in _class_summary(comparison):
        figures = "".join(f"{fraction(entry[score]):>11}" for score in CLASS_SCORES)
        say(f"{entry['name']:<20}{figures} {entry['pixels']:>14,} {entry['share']:>7.1%}")
    best, refined, test = comparison.best, comparison.refined, comparison.test
    optimistic = "" if best.plain.interval.low is None else ", so the interval is optimistic"
    say(
        f"best of {len(comparison.rows)}: step {best.step}, {in_words(best.plain)} (chosen on this list: "
        f"{comparison.chosen_on.tiles.path}{optimistic})"
    )
    if refined is not None and refined.refined is not None:
        say(f"with CRF: step {refined.step}, mean IoU {fraction(refined.refined.mean_iou)} (chosen on this list)")
    if comparison.confidence is not None:
        say(comparison.confidence.calibration.in_words())
    if test is not None and comparison.test_list is not None:
        say(f"on the test list {comparison.test_list.tiles.path}: {in_words(test.plain)}")
        if test.refined is not None:
            say(f"on the test list with CRF: {in_words(test.refined)}")
