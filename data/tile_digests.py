"""Digests of decoded tiles, by which they are known again in other lists, sets and runs."""

from data.tiles import Tiles
from utils.compute import distributed
from utils.compute.threads import in_threads
from utils.digests import NO_PIXELS, pixels_digest
from utils.errors import DataError


def tile_digests(tiles: Tiles) -> list[str]:
    """Digest of each tile's image, in the order of the list; of one that cannot be read, that of one colour.

    Several processes call it together; the main one reads the tiles.
    """

    def digest(index: int) -> str:
        try:
            return pixels_digest(tiles.image(index))
        except DataError:
            return NO_PIXELS

    return distributed.from_main(lambda: in_threads(digest, range(len(tiles)), "comparing tiles", "tile"))
