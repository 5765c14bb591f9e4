"""The commands, the options they share, and what they do as functions of settings.

from tools import TrainingSettings, train
train(TrainingSettings(data, method))  # as tools/train_s4gan.py; returns its exit code
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "EvaluationSettings": "settings.maps",
        "ExportSettings": "settings.maps",
        "PredictionSettings": "settings.maps",
        "SelectionSettings": "settings.learning",
        "TrainingSettings": "settings.learning",
        "evaluate": "auto_evaluate",
        "export_network": "export",
        "make_maps": "predict",
        "select": "train_AL",
        "train": "train_s4gan",
    },
)
