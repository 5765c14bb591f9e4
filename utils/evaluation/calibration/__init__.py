"""Whether a map's confidence can be believed, and the temperature that makes it so (Guo et al. 2017).

from utils.evaluation.calibration import read_calibration, tempered
temperature = read_calibration("checkpoint", "checkpoint/best.pth")  # None where none was fitted to this network
confidence = tempered(probabilities, temperature or 1.0).max(axis=0)  # probabilities (C, H, W), NumPy or torch
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "Calibration": "record",
        "Reliability": "reliability",
        "fit_temperature": "temperature",
        "read_calibration": "record",
        "tempered": "temperature",
    },
)
