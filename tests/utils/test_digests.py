import hashlib

import numpy as np

from utils.digests import NO_PIXELS, digest_of, name_digest, pixels_digest


def test_a_file_has_the_digest_that_sha256sum_prints(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert digest_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_images_are_known_by_shape_and_pixels():
    image = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    assert pixels_digest(image) == pixels_digest(image.copy()) == pixels_digest(image[::-1][::-1])
    others = (image + 1, image.reshape(4, 6, 3), image[::-1])
    assert len({pixels_digest(image), *map(pixels_digest, others)}) == 4
    assert pixels_digest(np.full((6, 4, 3), 9, np.uint8)) == NO_PIXELS
    assert len(pixels_digest(image)) == len(name_digest("tile")) == len(NO_PIXELS) == 16


def test_names_that_are_no_text_have_digests_too():
    assert name_digest("a\udcff") != name_digest("a")
