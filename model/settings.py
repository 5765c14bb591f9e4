"""Settings of networks: which one, and from which weights it starts."""

from dataclasses import dataclass
from pathlib import Path

from model.networks.names import BACKBONES, classifier_names
from utils.fields import as_counts, as_one_of, as_text, check_numbers
from utils.settings import require


@dataclass(frozen=True)
class NetworkSettings:
    """The networks of a training run.

    Attributes:
        backbone: a name of `model.networks.BACKBONES`.
        restore_from: file of ImageNet weights or of one of our checkpoints; the folder of a run: its best checkpoint;
            `none`: random weights; None: the ImageNet file of the backbone in `pretrained_models/`.
        restore_from_D: checkpoint of the discriminator; None: random weights.
        sync_bn: BatchNorm over the batch of all processes; CUDA only.
        compile: compile the networks.
    """

    backbone: str = "resnet101"
    restore_from: str | None = None
    restore_from_D: str | None = None
    sync_bn: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        as_one_of(self, "backbone", "backbone", tuple(BACKBONES))
        as_text(self, "restore_from", "restore_from_D")


@dataclass(frozen=True)
class LearnerSettings:
    """The active learner's classifier and how it is fitted.

    Attributes:
        model_name: `res50`, `res101`, `vgg16`, `tiny` or a torchvision classifier.
        classifier_weights: `imagenet`, `none`, or a file.
        learning_rate, momentum: of SGD.
        num_epochs: epochs of each round.
        score_batch_size: tiles of a scoring batch.
        retrain: weights at the start of a round: `continue` with those of the round before, or `scratch`.
    """

    model_name: str = "res50"
    classifier_weights: str = "imagenet"
    learning_rate: float = 0.001
    momentum: float = 0.9
    num_epochs: int = 50
    score_batch_size: int = 32
    retrain: str = "continue"

    def __post_init__(self) -> None:
        as_one_of(self, "model_name", "network", classifier_names())
        as_text(self, "classifier_weights")
        check_numbers(self, "learning_rate", above=True)
        check_numbers(self, "momentum", high=1)
        as_counts(self, "num_epochs", "score_batch_size")
        require(
            self.retrain in ("continue", "scratch"), "{retrain} is '{}', expected continue or scratch", self.retrain
        )

    @property
    def has_weights(self) -> bool:
        """Whether the classifier starts from other weights than random ones."""
        weights = self.classifier_weights
        return weights != "none" and not (weights == "imagenet" and self.model_name == "tiny")

    @property
    def weights_file(self) -> Path | None:
        """The file that it starts from; None where it starts from ImageNet's or random ones."""
        return None if self.classifier_weights in ("none", "imagenet") else Path(self.classifier_weights)
