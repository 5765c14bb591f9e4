"""The pictures of an evaluation: score against step, classes, confusion, tiles where it is right and wrong."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from utils.drawing.accuracy_charts import save_areas, save_reliability
from utils.drawing.charts import save_class_bars, save_confusion, save_score_curve
from utils.drawing.pictures import (
    WRONG_COLOUR,
    colourise,
    errors,
    legend_of,
    picture_grid,
    save_picture,
    with_legend,
)
from utils.evaluation.calibration.record import Calibration
from utils.evaluation.metric import tile_mean_iou
from utils.evaluation.report.comparison import Comparison, shares_of
from utils.evaluation.tile_lists import CheckpointScores, ListScorer
from utils.imagery.labels import IGNORE_INDEX

PICTURES = ("miou.png", "classes.png", "confusion.png", "tiles.png", "reliability.png", "areas.png", "scene.png")
_MANY_TILES = 24  # from here on two tiles of each kind are shown, else one


def draw(folder: Path, comparison: Comparison, return_to: Callable[[int], None]) -> None:
    """Write the pictures; those of classes and tiles show the test list where there is one.

    Args:
        folder: of the results.
        comparison: what came out.
        return_to: gives the network the weights of a step again, where predictions have to be made again.
    """
    draw_curve(folder / "miou.png", comparison)
    shown, on = comparison.shown
    scores, classes = shown.plain.scores, on.tiles.classes
    if not sum(scores.class_pixels):  # no pixel has a label: there is nothing to show
        return
    where = f"step {shown.step} on {on.tiles.path.name}" + (
        " (chosen on this list)" if comparison.is_optimistic else ""
    )
    counts = shown.plain.tiles.sum(dim=0, dtype=torch.int64).numpy()
    save_confusion(
        folder / "confusion.png", f"What each true class is taken for, in % of its pixels: {where}", counts, classes
    )
    ends = comparison.class_intervals["iou"]
    title = f"IoU of each class: {where}"
    save_class_bars(folder / "classes.png", title, classes, scores.class_iou, shares_of(scores), ends)
    save_picture(folder / "tiles.png", _tiles(shown, on, return_to))
    _draw_areas(folder / "areas.png", comparison, where)
    if comparison.confidence is not None:
        calibration = comparison.confidence.calibration
        save_picture(folder / "scene.png", comparison.confidence.canvas.draw(calibration.temperature))
        _draw_reliability(folder / "reliability.png", calibration, where)


def _draw_areas(path: Path, comparison: Comparison, where: str) -> None:
    """Shares of the area on the map and error-adjusted."""
    if (areas := comparison.areas) is None:
        return
    whole, names = sum(areas.mapped), comparison.shown[1].tiles.classes
    mapped, adjusted = ([area / whole for area in each] for each in (areas.mapped, areas.areas))
    ends = [(None, None) if low is None or high is None else (low / whole, high / whole) for low, high in areas.ends]
    save_areas(path, f"Share of the area of each class: {where}", names, mapped, adjusted, ends)


def _draw_reliability(path: Path, calibration: Calibration, where: str) -> None:
    """Accuracy against confidence, before and after temperature."""
    temperature = calibration.temperature
    curves = [
        (f"{name}, calibration error {each.error:.3f}", (each.share, each.confidence, each.accuracy))
        for name, each in (
            ("as the network says", calibration.before),
            (f"at temperature {temperature:.2f}", calibration.after),
        )
    ]
    save_reliability(path, f"How often it is right where it is so sure: {where}", curves)


def draw_curve(path: Path, comparison: Comparison) -> None:
    """Mean IoU against the step, once two checkpoints have one."""
    rows = sorted(comparison.rows, key=lambda row: row.step)
    if sum(row.scores.mean_iou is not None for row in rows) < 2:
        return
    on = comparison.chosen_on.tiles
    save_score_curve(
        path,
        f"Mean IoU on the {len(on.names)} tiles of {on.path.name} (chosen on this list)",
        [row.step for row in rows],
        [row.scores.mean_iou for row in rows],
        [(row.interval.low, row.interval.high) for row in rows],
        comparison.best.step,
        comparison.test.plain.scores.mean_iou if comparison.test else None,
    )


def _tiles(shown: CheckpointScores, on: ListScorer, return_to: Callable[[int], None]) -> Image.Image:
    """The best, median and worst tiles: image, truth, prediction, errors."""
    pictured = extreme_tiles(shown.plain.tiles, on.tiles.names)
    predictions = _predictions(shown, on, return_to, [tile for _, tile in pictured])
    colours = on.tiles.colours
    rows, captions, truths = [], [], []
    for (caption, tile), prediction in zip(pictured, predictions, strict=True):
        image, truth = np.array(on.tiles.image(tile)), np.array(on.tiles.mask(tile))
        wrong = float((truth != prediction)[truth != IGNORE_INDEX].mean())
        maps = [colourise(truth, colours), colourise(prediction, colours), errors(image, truth, prediction)]
        rows.append([image, *maps])
        truths.append(truth)
        captions.append([caption, "truth", "prediction", f"errors: {wrong:.1%} of the pixels"])
    names, shown_colours = legend_of(*on.tiles.legend, truths)
    return with_legend(picture_grid(rows, captions, size=220), [*names, "wrong pixel"], [*shown_colours, WRONG_COLOUR])


def _predictions(
    shown: CheckpointScores, on: ListScorer, return_to: Callable[[int], None], tiles: Sequence[int]
) -> Sequence[np.ndarray]:
    if all(tile in shown.predictions for tile in tiles):
        return [shown.predictions[tile] for tile in tiles]
    return_to(shown.step)
    return on.predictions(tiles)


def typical_tile(tiles: Tensor) -> int:
    """Position of a tile with the middle mean IoU of those that have one, confusion matrices (N, C, C)."""
    scores = tile_mean_iou(tiles)
    order = scores.argsort(descending=True, stable=True)
    ranking = order[scores[order].isfinite()]
    return int(ranking[(len(ranking) - 1) // 2]) if len(ranking) else 0


def extreme_tiles(tiles: Tensor, names: Sequence[str]) -> list[tuple[str, int]]:
    """Captions and positions of the tiles with the highest, the middle and the lowest mean IoU.

    Args:
        tiles: confusion matrices, shape (N, C, C); tiles without a labelled pixel do not count.
        names: of the tiles.
    """
    scores = tile_mean_iou(tiles)
    order = scores.argsort(descending=True, stable=True)
    ranking: list[int] = order[scores[order].isfinite()].tolist()
    each = 2 if len(ranking) >= _MANY_TILES else 1
    middle = (len(ranking) - each) // 2
    kinds = {"best": ranking[:each], "median": ranking[middle : middle + each], "worst": ranking[-each:]}
    return [
        (f"{kind}: {names[tile]}\nmean IoU {float(scores[tile]):.3f}", tile)
        for kind, positions in kinds.items()
        for tile in positions
        if kind == "best" or len(ranking) > 2 or (kind == "worst" and len(ranking) > 1)
    ]
