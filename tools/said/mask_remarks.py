"""What a command says once about the masks that it reads."""

from data.checking.mask_values import MaskValues, remarks
from data.tiles import Tiles
from utils.compute import distributed
from utils.errors import warn


def say_mask_remarks(*opened: Tiles | None) -> None:
    """Say in the main process what the masks of some lists, taken together, hold that their description lacks.

    Args:
        opened: the lists, of one data set; None stands for a list that was not given.
    """
    lists = [tiles for tiles in opened if tiles is not None]
    if distributed.is_main() and lists:
        values = sum((tiles.mask_values() for tiles in lists), MaskValues())
        for line in remarks(values, lists[0].description):
            warn(line)
