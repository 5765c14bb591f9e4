"""Scores, intervals, windows and the dense CRF.

from utils.evaluation import score
score(truth, prediction).mean_iou  # class ids (H, W) of NumPy or torch, 255 where the truth is not known
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "CRFSettings": "settings",
        "ConfusionMatrix": "metric",
        "Interval": "intervals",
        "Scores": "metric",
        "ViewSettings": "settings",
        "WindowSettings": "settings",
        "dense_crf": "crf.mean_field",
        "mean_iou_interval": "intervals",
        "score": "scoring",
    },
)
