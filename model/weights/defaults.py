"""Where ImageNet weights lie when nobody says: in pretrained_models/, under torchvision's file names."""

from pathlib import Path

from model.networks.names import BACKBONES

_FOLDER = Path(__file__).resolve().parents[2] / "pretrained_models"


def default_weights(backbone: str) -> Path | None:
    """The file that a backbone starts from by default, whether it is there or not; None where it has none."""
    file = BACKBONES.get(backbone)
    return _FOLDER / file if file else None
