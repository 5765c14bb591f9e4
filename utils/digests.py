"""Digests: of files, of names, and of the pixels of tiles, by which a tile is known again under another name."""

import hashlib
import os
from pathlib import Path

import numpy as np

CHARACTERS = 16  # of the digest of a name or of pixels: 64 bits tell a million tiles apart


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def name_digest(name: str) -> str:
    """Of a tile's name, in 16 hexadecimal digits."""
    return hashlib.blake2b(os.fsencode(name), digest_size=CHARACTERS // 2).hexdigest()


def pixels_digest(image: np.ndarray) -> str:
    """Of an image's shape and pixels, in 16 hexadecimal digits; zeros where all pixels are alike, as many tiles' are.

    Args:
        image: uint8, shape (H, W, C).
    """
    if bool((image == image[0, 0]).all()):
        return NO_PIXELS
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=CHARACTERS // 2)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


NO_PIXELS = "0" * CHARACTERS
