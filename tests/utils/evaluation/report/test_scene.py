import numpy as np
import pytest
import torch

from tests.utils.compute.test_distributed import in_processes
from tests.utils.evaluation.test_tile_lists import CPU, Tiles
from utils.compute import distributed
from utils.drawing.scene_picture import NOTHING
from utils.evaluation.report.scene import Scene, SceneCanvas, chosen_scene
from utils.evaluation.tile_lists import TilePlace


class PlacedTiles(Tiles):
    """Three tiles of a scene, two of which share four columns that the left one counts, and one of another scene."""

    places = (TilePlace("b", 10, 20, 8, 8), TilePlace("a", 0, 0, 8, 8), TilePlace("b", 10, 24, 8, 8),
              TilePlace("b", 18, 20, 8, 8))  # fmt: skip

    def __init__(self) -> None:
        super().__init__(4)
        self.shown = self.masks.clone()
        self.masks[0], self.masks[2], self.masks[3] = 0, 1, 255

    def counted(self, index: int) -> np.ndarray | None:
        own = np.ones((8, 8), bool)
        own[:, :4] = index != 2
        return own


def canvas_of(tiles: Tiles, scene: Scene, shares: list[float]) -> SceneCanvas:
    """A canvas that has taken tiles whose pixels all have the second class with a probability."""
    canvas = SceneCanvas(tiles, scene)
    for tile, share in enumerate(shares):
        maps = torch.tensor([1 - share, share])[:, None, None].expand(2, 8, 8)
        for top in (0, 3):  # in pieces
            canvas.keep(tile, top, 0, maps[:, top : top + (3 if top == 0 else 5)])
    return canvas


def test_the_scene_with_most_tiles_is_shown_with_the_box_around_them():
    scene = chosen_scene(PlacedTiles(), 1)
    assert (scene.name, list(scene.members), scene.is_tile) == ("b", [0, 2, 3], False)
    assert (scene.top, scene.left, scene.height, scene.width) == (10, 20, 16, 12)
    assert scene.in_words(None) == "Scene b, 16 × 12 pixels, put together from 3 tiles of the list"
    assert "1.6 km from top to bottom and 1.2 km across (100 m a pixel)" in scene.in_words(100)


def test_where_places_are_not_known_a_tile_is_shown():
    scene = chosen_scene(Tiles(3), 2)
    assert (scene.name, scene.height, scene.width, scene.is_tile) == ("tile2", 8, 8, True)
    assert scene.in_words(0.5) == "Tile tile2, 8 × 8 pixels, 4 m from top to bottom and 4 m across (0.5 m a pixel)"


def test_each_pixel_of_a_scene_is_from_the_tile_that_counts_it():
    tiles = PlacedTiles()
    canvas = canvas_of(tiles, chosen_scene(tiles, 0), [0.25, 0.5, 1.0, 0.75])
    expected = np.zeros((16, 12), np.float32)
    expected[:8, :8], expected[:8, 8:], expected[8:, :8] = 0.25, 1.0, 0.75
    np.testing.assert_array_equal(canvas.probabilities[1].numpy(), expected)


def panels_of(canvas: SceneCanvas, monkeypatch: pytest.MonkeyPatch, **given) -> tuple[list[np.ndarray], list[str]]:
    taken: list = []
    monkeypatch.setattr("utils.evaluation.report.scene.scene_sheet", lambda *args: taken.extend(args))
    canvas.draw(**given)
    return taken[0], taken[1]


def test_image_truth_map_and_confidence_lie_on_each_other(monkeypatch: pytest.MonkeyPatch):
    tiles = PlacedTiles()
    canvas = canvas_of(tiles, chosen_scene(tiles, 0), [0.1, 0.5, 0.8, 0.6])
    (image, truth, ids, confidence), captions = panels_of(canvas, monkeypatch)
    np.testing.assert_array_equal(image[:8, :8], tiles.image(0))
    np.testing.assert_array_equal(image[:8, 8:], tiles.image(2)[:, 4:])
    assert (truth[:8, :8] == tiles.colours[0]).all()
    assert (truth[:8, 8:] == tiles.colours[1]).all()
    assert (ids[8:, :8] == tiles.colours[1]).all()
    for panel in (image, truth, ids, confidence):
        assert (panel[8:, 8:] == NOTHING).all()  # there is no tile
    assert captions[2:] == ["map: 100% of the pixels right", "confidence: 76% on average"]
    assert confidence[0, 0].mean() > confidence[0, 11].mean() > confidence[15, 0].mean()


def test_confidence_is_shown_at_its_temperature(monkeypatch: pytest.MonkeyPatch):
    tiles = PlacedTiles()
    canvas = canvas_of(tiles, chosen_scene(tiles, 0), [0.1, 0.5, 0.8, 0.6])
    assert panels_of(canvas, monkeypatch, temperature=100.0)[1][3] == "confidence: 50% on average"


def test_a_scene_of_any_size_takes_a_canvas_of_the_picture_s():
    tiles = Tiles(1)
    places = {0: TilePlace("x", 0, 0, 30_000, 20_000)}
    canvas = SceneCanvas(tiles, Scene("x", places, 0, 0, 30_000, 20_000, is_tile=False))
    assert canvas.probabilities.shape == (2, 440, 293)
    canvas.keep(0, 0, 0, torch.full((2, 8, 8), 0.5))
    assert (canvas.probabilities == 0.5).all()
    assert canvas.draw().width > 880


def test_processes_put_their_tiles_together():
    def work() -> torch.Tensor:
        tiles, shares = PlacedTiles(), [0.25, 0.5, 1.0, 0.75]
        canvas = SceneCanvas(tiles, chosen_scene(tiles, 0))
        for tile in range(distributed.rank(), 4, 2):
            canvas.keep(tile, 0, 0, torch.full((2, 8, 8), shares[tile]))
        canvas.gather(CPU)
        return canvas.probabilities

    first, second = in_processes(2, work)
    assert torch.equal(first, second)
    assert first[0, 0, 0] == 0.25
    assert first[0, 0, 11] == 1
