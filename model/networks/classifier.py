"""The scene classifier of the active learner: a torchvision network with a linear layer 1000 -> classes on top."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models import MaxVit, VisionTransformer

from model.networks.bands import RGB, with_bands
from model.networks.names import SHORT_NAMES, classifier_names
from model.networks.resnet import TinyResNet
from model.settings import LearnerSettings
from model.weights.loading import LoadReport, load_backbone
from model.weights.pretrained import pretraining_of
from utils.compute import distributed
from utils.compute.precision import exact_float32
from utils.console import say
from utils.errors import OptionError
from utils.imagery.bands import RGB_BANDS, Bands
from utils.paths import reason_of
from utils.settings import SettingsError
from utils.suggest import unknown

FEATURES = 1000


class Classifier(nn.Module):
    """An ImageNet network whose 1000 outputs feed a linear layer.

    Args:
        model_name: one of `classifier_names()`.
        num_classes: scene classes.
        bands: names of the images' bands, in the order of their channels.

    Attributes:
        last_dropout: share of the features that training leaves out before the last layer.

    Raises:
        OptionError: unknown network.
    """

    def __init__(self, model_name: str, num_classes: int, bands: Sequence[str] = RGB) -> None:
        super().__init__()
        self.model_name, self.bands = SHORT_NAMES.get(model_name, model_name), tuple(bands)
        self.network = with_bands(_build_network(self.model_name, len(bands)), len(bands))
        self.head = nn.Linear(FEATURES, num_classes)
        self.last_dropout = 0.0

    @property
    def fixed_size(self) -> int | None:
        """The only height and width the network takes, or None where any size will do."""
        return 224 if isinstance(self.network, VisionTransformer | MaxVit) else None

    @property
    def minimum_size(self) -> int:
        """The smallest height and width the network takes."""
        weights = _imagenet_weights(self.model_name)
        return int(min(weights.meta["min_size"])) if weights else 1

    def fitting_size(self, asked: tuple[int, int]) -> tuple[int, int]:
        """The input size asked for, or the one size that the network takes, said aloud.

        Raises:
            SettingsError: too small for the network.
        """
        if self.fixed_size is not None and asked != (self.fixed_size,) * 2:
            say(f"{self.model_name} takes {self.fixed_size}×{self.fixed_size} only: tiles are resized to it")
            return self.fixed_size, self.fixed_size
        if min(asked) < self.minimum_size:
            raise SettingsError(
                f"{{input_size}} {asked[0]},{asked[1]} is too small for {self.model_name}, "
                f"which needs {self.minimum_size} pixels at least"
            )
        return asked

    def features(self, images: Tensor) -> Tensor:
        """The input of the last linear layer, shape (B, 1000)."""
        return self.network(images)

    def forward(self, images: Tensor) -> Tensor:
        """Scene logits, shape (B, num_classes), of normalised images (B, bands, H, W)."""
        features = self.features(images)
        if self.training and self.last_dropout:
            features = F.dropout(features, self.last_dropout)
        return self.logits(features)

    def logits(self, features: Tensor) -> Tensor:
        """Scene logits of features: whole float32, for autocast and TF32 would round what strategies tell apart."""
        with exact_float32(features.device):
            return self.head(features.float())

    def load_imagenet(self) -> LoadReport:
        """Load torchvision's first ImageNet weights from torch's cache, downloading them once.

        Raises:
            SettingsError: there are none for this network, or the download failed.
            DataError: the file in the cache is damaged.
        """
        weights = _imagenet_weights(self.model_name)
        if weights is None:
            raise SettingsError(
                f"{self.model_name} has no ImageNet weights; give {{classifier_weights}} none, or a file of your own"
            )
        file = weights.url.rpartition("/")[2]
        path = Path(torch.hub.get_dir()) / "checkpoints" / file
        try:
            if not path.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                hash_prefix = path.stem.rpartition("-")[2]
                torch.hub.download_url_to_file(weights.url, str(path), hash_prefix)
        except (OSError, RuntimeError) as error:
            raise SettingsError(
                "the ImageNet weights {} could not be downloaded ({}); fetch {} by other means and give "
                "{classifier_weights} <path to {}>, or train from scratch with {classifier_weights} none",
                file,
                reason_of(error),
                weights.url,
                file,
            ) from error
        return self.load_file(path)

    def load_file(self, path: Path) -> LoadReport:
        """Load a file of this network, or of a backbone of its make: then the layer to the 1000 outputs stays new.

        Raises:
            DataError: any other tensor is missing or of another shape.
            OptionError: no such file.
        """
        return load_backbone(self.network, path, self.bands, may_stay_new=("fc.",))


def build_classifier(settings: LearnerSettings, num_classes: int, bands: Bands = RGB_BANDS) -> Classifier:
    """The network with the weights that the settings name, said aloud. Several processes call it together.

    Raises:
        SettingsError, DataError, OptionError: as of `load_imagenet` and `load_file`; or the weights were pre-trained
            with another backbone or on other bands.
    """
    classifier, file = Classifier(settings.model_name, num_classes, bands.names), settings.weights_file
    if not settings.has_weights:
        say(f"{classifier.model_name} starts from random weights")
    elif file is None:
        say(str(distributed.main_first(classifier.load_imagenet)))
    else:
        if (pretraining := pretraining_of(file)) is not None:
            pretraining.require_fit(file, classifier.model_name, bands, "model_name")
        say(str(classifier.load_file(file)))
    return classifier


def _imagenet_weights(model_name: str) -> Any:
    if model_name == "tiny":
        return None
    return models.get_model_weights(model_name).__members__.get("IMAGENET1K_V1")


def _build_network(model_name: str, bands: int) -> nn.Module:
    if model_name == "tiny":
        return TinyResNet(FEATURES)
    if model_name not in models.list_models(module=models):
        raise OptionError(unknown("network", model_name, classifier_names()))
    options = {}
    if model_name in ("googlenet", "inception_v3"):  # their weights expect [-1, 1]: transform_input converts to it
        options = {"aux_logits": False, "init_weights": True, "transform_input": bands == 3}
    return models.get_model(model_name, weights=None, **options)
