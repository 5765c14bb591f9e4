"""What training, scoring and evaluation read of a batch; any object with these fields will do."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from utils.augmentation.parameters import StrongViews


class ImageBatch(Protocol):
    """Tiles: uint8 images (B, C, H, W), padded with 0 right and below; int64 sizes inside the padding (B, 2).

    C are the bands, and in sets with pixels without data one more channel of validity; see
    `utils.imagery.pixels.PixelFormat`.
    """

    @property
    def image(self) -> Tensor: ...  # noqa: D102 — described by the class
    @property
    def size(self) -> Tensor: ...  # noqa: D102


class SceneBatch(ImageBatch, Protocol):
    """Tiles with their scene class ids, int64 (B,)."""

    @property
    def label(self) -> Tensor: ...  # noqa: D102


class MaskedBatch(ImageBatch, Protocol):
    """Tiles with their pixel class ids, uint8 (B, H, W), 255 in the padding and where no class is known."""

    @property
    def mask(self) -> Tensor: ...  # noqa: D102


@runtime_checkable
class ViewedBatch(MaskedBatch, Protocol):
    """Unlabelled tiles with what strongly changed views of them are made of.

    For each tile `partner` holds another one, of which boxes are pasted in, `views` says how both are changed, and
    `seed`, int64 (B,) on the CPU, is that of what else is drawn for it.
    """

    @property
    def partner(self) -> ImageBatch: ...  # noqa: D102 — described by the class
    @property
    def views(self) -> StrongViews: ...  # noqa: D102
    @property
    def seed(self) -> Tensor: ...  # noqa: D102


class Batches(Protocol):
    """Batches to go through once, and how many there are."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class TileBatches(Protocol):
    """Where the active learner gets a list's tiles from, in batches; of several processes each gets its own ones.

    A batch is a `SceneBatch` with the position of each tile, int64 (B,), in `tile`. A tile that could not be read comes
    blank, with `utils.imagery.labels.UNREADABLE` for its label.

    Attributes:
        score_batch_size: tiles of a scoring batch.
    """

    @property
    def score_batch_size(self) -> int: ...  # noqa: D102

    def fitting(self, tiles: Sequence[int], round_number: int, first_batch: int = 0) -> Batches:
        """Batches of labelled tiles, of which each process has its share, or None where that is empty.

        Args:
            tiles: positions of the tiles.
            round_number: rounds before; another round has other random numbers.
            first_batch: where to start.
        """
        ...

    def scoring(self, tiles: Sequence[int], first_batch: int = 0) -> Batches:
        """Tiles in their order, as they are; the processes take whole batches in turn, beginning with `first_batch`."""
        ...
