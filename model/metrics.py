"""The numbers of a training run's steps, as they stand in metrics.csv."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from model.methods.method import Method
from model.pseudo_labels import class_shares, share_columns
from utils.compute import distributed
from utils.drawing.curves import CurvePanel
from utils.imagery.colours import RGB


def metric_columns(method: Method, classes: Sequence[str]) -> list[str]:
    """Columns of metrics.csv: what the method watches, times, the score, shares of the classes in pseudo-labels."""
    shares = share_columns(classes) if method.settings.makes_pseudo_labels else []
    return [*method.watched, "wait_ms", "images_per_s", "val_mean_iou", *shares]


def curves_of(method: Method, classes: Sequence[str], colours: Sequence[RGB]) -> list[CurvePanel]:
    """Charts of a run: what its method watches, the classes of its pseudo-labels, the score on the validation list."""
    shares = dict(zip(share_columns(classes), classes, strict=True))
    title = "classes of the pseudo-labels, in the colours of tiles.png"
    labels = [CurvePanel(title, shares, is_share=True, colours=colours)] if method.settings.makes_pseudo_labels else []
    return [
        *method.curves(),
        *labels,
        CurvePanel("mean IoU on the validation list", {"val_mean_iou": "mean IoU"}),
    ]


def read_losses(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """The losses of the whole batch; here the main process waits for the device, and for the others.

    Args:
        losses: what `Method.train_step` returned.
    """
    names = [name for name, value in losses.items() if value.ndim == 0 and name != "broken_step"]
    numbers = distributed.total(torch.stack([losses[name].float() for name in names])).tolist()
    return dict(zip(names, numbers, strict=True))


def row_of(
    method: Method,
    values: Mapping[str, float],
    losses: Mapping[str, Tensor],
    classes: Sequence[str],
    waited: float,
    images_per_s: float,
    score: float | None,
) -> dict[str, float]:
    """A row of metrics.csv; all processes come here, and count the classes of their pseudo-labels together.

    Args:
        method: after the step.
        values: losses of the whole batch.
        losses: what `Method.train_step` returned.
        classes: names of the pixel classes.
        waited: seconds that the step waited for data.
        images_per_s: of all processes.
        score: mean IoU on the validation list; None where the step was not validated.
    """
    row = {**values, "wait_ms": 1000 * waited, "images_per_s": images_per_s, **method.learning_rates()}
    if score is not None:
        row["val_mean_iou"] = score
    if method.settings.makes_pseudo_labels:
        row |= class_shares(losses["pseudo_labels"], classes)
    return row
