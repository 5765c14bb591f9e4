"""CutMix for segmentation: boxes of other tiles pasted into tiles (French et al., BMVC 2020)."""

import torch
from torch import Tensor


def in_boxes(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Which pixels lie in the box of their image.

    Args:
        boxes: top, left, height and width in pixels, int64, shape (B, 4); of height or width 0: nowhere.
        shape: height and width of the images.

    Returns:
        bool, shape (B, 1, H, W).
    """
    top, left, height, width = boxes.unbind(dim=1)
    rows = torch.arange(shape[0], device=boxes.device) - top[:, None]
    columns = torch.arange(shape[1], device=boxes.device) - left[:, None]
    in_rows, in_columns = (
        (places >= 0) & (places < sides[:, None]) for places, sides in ((rows, height), (columns, width))
    )
    return (in_rows[:, :, None] & in_columns[:, None, :]).unsqueeze(1)


def pasted(own: Tensor, partner: Tensor, from_partner: Tensor) -> Tensor:
    """Pixels of the partner where it says so, else the tile's own.

    Args:
        own, partner: images (B, C, H, W) or maps (B, H, W).
        from_partner: bool, shape (B, 1, H, W).
    """
    return torch.where(from_partner if own.ndim == 4 else from_partner.squeeze(1), partner, own)
