"""What a run of the active learner leaves to look at after every round: names, the rounds, pictures, what it costs."""

import math
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torchvision

from utils.drawing.curves import CurvePanel, plot_curves
from utils.drawing.pictures import save_bars, save_contact_sheets
from utils.imagery.labels import UNKNOWN_SCENE
from utils.runs.files import write_json, write_names
from utils.selection.folder import SelectionFolder
from utils.selection.rounds import Prediction, Selection
from utils.selection.scene_tiles import SceneTiles

COLUMNS = ("labelled", "loss", "val_accuracy", "query_accuracy", "fit_seconds", "score_seconds")
CURVES = (
    CurvePanel("loss of the classifier on the labelled tiles", {"loss": "loss"}),
    CurvePanel("accuracy on the validation list", {"val_accuracy": "accuracy"}, is_share=True),
    CurvePanel("share of the tiles asked for that were predicted right", {"query_accuracy": "share"}, is_share=True),
)


def write_results(
    folder: SelectionFolder,
    tiles: SceneTiles,
    selection: Selection,
    rounds: Sequence[Mapping[str, float]],
    predicted: np.ndarray,
) -> None:
    """Write what is chosen so far: names, their probabilities, the rounds and the pictures.

    Args:
        folder: the run's folder.
        tiles: the tiles.
        selection: what was chosen.
        rounds: numbers of each round, such as loss and seconds.
        predicted: class that the classifier last took each tile for, or -1; shape (N,).
    """
    chosen, predictions = selection.result, selection.predictions()
    folder.write_arrays(*names_and_probabilities(tiles, selection))
    write_names(folder.selected, [tiles.names[tile] for tile in chosen])
    write_json(folder.path / "selection.json", _record(folder, tiles, selection, rounds))
    is_continued = len(selection.rounds) > 1 and not selection.skipped
    first = len(chosen) - len(selection.rounds[-1].tiles) if is_continued else 0
    captions = [_caption(tiles, place, tile, predictions.get(tile)) for place, tile in enumerate(chosen, start=1)]
    save_contact_sheets(folder.path / "chosen.png", lambda i: tiles.picture(chosen[i]), captions, first)
    classes = np.where(tiles.labels == UNKNOWN_SCENE, predicted, tiles.labels)
    shares = {"chosen": _shares(classes[chosen], tiles.classes), "all tiles": _shares(classes, tiles.classes)}
    are_all_known = (tiles.labels != UNKNOWN_SCENE).all()
    title = "scene classes, as labelled" + ("" if are_all_known else " or else as predicted")
    if tiles.classes:
        save_bars(folder.path / "histogram.png", title, tiles.classes, shares)
    if any(numbers.get("labelled") for numbers in rounds):
        plot_curves(folder.metrics, folder.path / "learning_curve.png", CURVES, "labelled", "labelled tiles")


def names_and_probabilities(tiles: SceneTiles, selection: Selection) -> tuple[list[str], list[float]]:
    """The chosen names in order, and of each the probability of its likeliest class, NaN where it was not scored."""
    predictions = selection.predictions()
    probabilities = [predictions[t].probability if t in predictions else math.nan for t in selection.result]
    return [tiles.names[tile] for tile in selection.result], probabilities


def costs(selection: Selection, rounds: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """What the selection costs: scene labels that people gave the classifier, masks to draw; what was there before."""
    learned_from = int(max((r.get("labelled", 0) for r in rounds), default=0))
    before = {"already_labelled": len(selection.already), "of_these_learned_from": len(selection.taught)}
    return {
        "scene_labels_asked_for": max(0, learned_from - len(selection.taught)),
        "masks_to_draw": len(selection.result),
        "target": selection.budget.target,
        "short_of_target": selection.missing,
        "initial_pool": len(selection.initial),
        "initial_pool_counts": selection.include_initial,
        **(before if selection.already else {}),
    }


def _record(
    folder: SelectionFolder, tiles: SceneTiles, selection: Selection, rounds: Sequence[Mapping[str, float]]
) -> dict[str, Any]:
    names, classes = tiles.names, tiles.classes
    return {
        "options": folder.settings,
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": str(torchvision.__version__),
            "numpy": np.__version__,
        },
        "ledger": costs(selection, rounds),
        "initial_pool": [names[tile] for tile in selection.initial],
        "rounds": [
            {
                **rounds[number],
                "names": [names[tile] for tile in query.tiles],
                "scores": [_finite(utility) for utility in query.utilities],
                "predicted": [classes[c] if c != UNKNOWN_SCENE else None for c in query.predicted],
                "probabilities": [_finite(probability) for probability in query.probabilities],
                "true": [tiles.class_name(tile) for tile in query.tiles],
            }
            for number, query in enumerate(selection.rounds)
        ],
        "last_fit": dict(rounds[len(selection.rounds)]) if len(rounds) > len(selection.rounds) else None,
        "left_out": [names[tile] for tile in sorted(selection.skipped)],
    }


def _caption(tiles: SceneTiles, place: int, tile: int, prediction: Prediction | None) -> str:
    """Place and name, scene class, predicted class, and the figures for which the tile was chosen."""
    predicted, figures = "initial pool" if prediction is None else "not classified", []
    if prediction is not None and prediction.scene != UNKNOWN_SCENE:
        predicted = f"seen as {tiles.classes[prediction.scene]}"
        figures.append(f"p {prediction.probability:.2f}")
    if prediction is not None and math.isfinite(prediction.utility):
        figures.append(f"score {prediction.utility:.3g}")
    true_class = tiles.class_name(tile) or "no label"
    return "\n".join((f"{place}. {tiles.names[tile]}", true_class, predicted, ", ".join(figures)))


def _shares(classes: np.ndarray, names: Sequence[str]) -> list[float]:
    known = classes[classes != UNKNOWN_SCENE]
    return list(np.bincount(known, minlength=len(names)) / max(1, len(known)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
