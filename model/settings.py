"""What networks are told: which one, and from which weights it starts."""

from dataclasses import dataclass

from utils.settings import require


@dataclass(frozen=True)
class NetworkSettings:
    """The networks of a training run.

    Attributes:
        backbone: a name of `model.networks.BACKBONES`.
        restore_from: file of ImageNet weights or of one of our checkpoints; `none`: random weights; None: the ImageNet
            file of the backbone in `pretrained_models/`.
        restore_from_D: checkpoint of the discriminator; None: random weights.
        sync_bn: BatchNorm over the batch of all processes; CUDA only.
        compile: compile the networks.
    """

    backbone: str = "resnet101"
    restore_from: str | None = None
    restore_from_D: str | None = None
    sync_bn: bool = False
    compile: bool = False


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
        require(self.learning_rate > 0, f"{{learning_rate}} is {self.learning_rate}, expected a number above 0")
        require(self.num_epochs >= 1, f"{{num_epochs}} is {self.num_epochs}, expected 1 or more")
        require(
            self.retrain in ("continue", "scratch"), f"{{retrain}} is '{self.retrain}', expected continue or scratch"
        )
