"""What training, scoring and evaluation read of a batch; any object with these fields will do."""

from typing import Protocol

from torch import Tensor


class ImageBatch(Protocol):
    """Tiles: uint8 images (B, C, H, W), padded with 0 right and below; int64 sizes inside the padding (B, 2).

    C are the bands, and in sets with pixels without data one more channel of validity; see `utils.images.PixelFormat`.
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
