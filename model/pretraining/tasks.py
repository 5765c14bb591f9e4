"""What a backbone learns while it is pre-trained: a head on its features, with a loss; found by name in `TASKS`.

Each process has its share of a batch. The sum of the gradients that the processes get from their losses is that of one
process with the whole batch; what is watched comes as shares, whose sum is the value of the whole batch.
"""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from model.pretraining.vicreg import vicreg
from utils.compute import distributed

LEAST_WIDTH = 512  # of the expander, whose dimensions have to be more than a batch could fill by itself


class Task(nn.Module):
    """A head that is thrown away when the backbone has learned.

    Attributes:
        views: of each tile.
        watched: columns of metrics.csv that `forward` fills.
    """

    views: ClassVar[int] = 1
    watched: ClassVar[Sequence[str]] = ("loss",)

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to take gradients of, and this process's shares of what is watched.

        Args:
            features: float32, shape (V·B, F): the first view of all tiles, then the second.
            labels: scene class ids or -1, int64, shape (B,).
        """
        raise NotImplementedError


class SelfSupervision(Task):
    """VICReg's expander of three layers, and its loss over the batch of all processes."""

    views = 2
    watched = ("loss", "invariance", "variance", "covariance")

    def __init__(self, features: int, classes: int = 0) -> None:
        super().__init__()
        width = max(LEAST_WIDTH, features)
        layers: list[nn.Module] = []
        for inputs in (features, width):
            layers += [nn.Linear(inputs, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True)]
        self.expander = nn.Sequential(*layers, nn.Linear(width, width, bias=False))

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Task.forward`; labels are not looked at. Each process has the whole loss, of its own rows' making."""
        first, second = map(distributed.whole_batch, self.expander(features).chunk(2))
        terms = vicreg(first, second)
        whole = {"loss": terms.loss, **terms._asdict()}
        return terms.loss, {name: value.detach() / distributed.world_size() for name, value in whole.items()}


class SceneClasses(Task):
    """A linear layer to scene classes, and cross-entropy."""

    watched = ("loss", "accuracy")

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(features, classes)

    def forward(self, features: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Task.forward`; accuracy is that on the views that are learned from."""
        logits = self.classifier(features)
        count = len(labels) * distributed.world_size()  # shares are equal
        loss = F.cross_entropy(logits, labels, reduction="sum") / count
        right = (logits.detach().argmax(dim=1) == labels).float().sum()
        return loss, {"loss": loss.detach(), "accuracy": right / count}


TASKS: dict[str, type[SelfSupervision] | type[SceneClasses]] = {"self": SelfSupervision, "scenes": SceneClasses}
