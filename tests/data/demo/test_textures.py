import numpy as np
import pytest

from data.demo.textures import MATERIALS


def mean_colours(tiles, name):
    """Mean colour of a material in every tile that shows at least 500 pixels of it, shape (n, 3)."""
    parts = [image[mask == MATERIALS[name].id] for image, mask in tiles.values()]
    return np.array([part.mean(axis=0) for part in parts if len(part) >= 500])


def fine_contrast(tiles, name):
    """Median over tiles of the contrast between neighbouring pixels, four apart, inside a material, in grey levels."""
    contrasts = []
    for image, mask in tiles.values():
        grey = image.astype(float).mean(axis=2)
        inside = (mask[:, 4:] == MATERIALS[name].id) & (mask[:, :-4] == MATERIALS[name].id)
        if inside.sum() >= 500:
            contrasts.append(np.median(np.abs(grey[:, 4:] - grey[:, :-4])[inside]))
    return np.median(contrasts)


def test_ids_are_those_of_dlrsd():
    names = [name for name, _ in sorted(MATERIALS.items(), key=lambda item: item[1].id)]
    assert [MATERIALS[name].id for name in names] == list(range(1, 18))
    assert names[0] == "airplane"
    assert names[7] == "field"
    assert names[16] == "water"


@pytest.mark.parametrize(
    "materials", [("grass", "field", "trees", "chaparral"), ("sand", "bare soil"), ("sea", "water")], ids="-".join
)
def test_colours_of_a_family_overlap(demo_tiles, materials):
    """Between any two materials, some tile shows the one in a colour within the other's range."""
    colours = {name: mean_colours(demo_tiles, name) for name in materials}
    for one in materials:
        for other in set(materials) - {one}:
            low, high = colours[other].min(axis=0), colours[other].max(axis=0)
            assert ((colours[one] >= low) & (colours[one] <= high)).all(axis=1).any(), f"{one} in {other}"


@pytest.mark.parametrize(("smooth", "rough"), [("grass", "field"), ("grass", "trees"), ("water", "sea")])
def test_texture_tells_apart_what_colour_does_not(demo_tiles, smooth, rough):
    assert fine_contrast(demo_tiles, rough) > 1.4 * fine_contrast(demo_tiles, smooth)
