"""What pre-training is told; no torch here, for whoever only says so."""

from dataclasses import dataclass

from model.networks.names import BACKBONES
from utils.fields import as_counts, as_one_of, as_text, check_numbers

TASKS = ("self", "scenes")
EPOCHS = {"self": 100, "scenes": 20}  # where nothing else is asked for


@dataclass(frozen=True)
class TaskSettings:
    """How a backbone is pre-trained.

    Attributes:
        task: `self`: on views of tiles, without labels; `scenes`: on scene labels.
        backbone: a name of `model.networks.names.BACKBONES`.
        restore_from: weights to begin with: a file of ImageNet weights, or of an earlier pre-training or its folder;
            `none`: random ones.
        num_epochs: how often each tile is drawn; None: 100 times without labels, 20 times with.
        learning_rate: of AdamW at its highest; it rises over the first twentieth of the steps, then falls as a cosine.
        weight_decay: of AdamW, on weights but not on biases and BatchNorm.
    """

    task: str = "self"
    backbone: str = "resnet50"
    restore_from: str = "none"
    num_epochs: int | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        as_one_of(self, "task", "task", TASKS)
        as_one_of(self, "backbone", "backbone", tuple(BACKBONES))
        as_text(self, "restore_from")
        as_counts(self, "num_epochs")
        check_numbers(self, "learning_rate", above=True)
        check_numbers(self, "weight_decay")

    def num_steps(self, tiles: int, batch_size: int) -> int:
        """Steps in which each of so many tiles is drawn `num_epochs` times; the last one may be begun anew."""
        return -(-(self.num_epochs or EPOCHS[self.task]) * tiles // batch_size)
