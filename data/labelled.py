"""Whether masks say anything at all: a list without a labelled pixel can be neither learned from nor scored."""

from data.cache import TileArray
from utils.errors import DataError
from utils.labels import IGNORE_INDEX


def require_labelled_pixels(masks: TileArray | None, source: str) -> None:
    """Stop where no mask has a labelled pixel; reading ends at the first one that has.

    Args:
        masks: ids, uint8, 255 where a pixel has no class; None: there are none.
        source: whose masks they are, for the message.

    Raises:
        DataError: there is none.
    """
    count = 0 if masks is None else len(masks)
    if masks is not None and any((masks[index] != IGNORE_INDEX).any() for index in range(count)):
        return
    raise DataError(
        f"{source}: no pixel of the {count} masks has a class (all are 255 or ignored), at least one is needed; check "
        "the masks, the classes' colours or ids, and --ignore-label"
    )
