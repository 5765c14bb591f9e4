import numpy as np

from data.batches.classification_batches import ClassificationBatches
from data.dataset_json import load_description
from data.lists.scene_list import SceneList, open_scene_list
from data.settings import SampleSettings
from tests.conftest import TinySet


def opened(tiny: TinySet) -> SceneList:
    description = load_description("custom", tiny.folder)
    return open_scene_list(description, tiny.folder, tiny.names, {tiny.names[0]: "wet"})


def test_a_list_has_the_classes_that_are_known(custom_set: TinySet):
    scenes = opened(custom_set).scenes
    assert scenes.names == custom_set.names
    assert scenes.labels.tolist() == [1, -1, -1, -1]
    assert scenes.image(0).shape == (*scenes.tile_size, 3)


def test_scoring_goes_through_the_tiles_in_their_order(custom_set: TinySet):
    listed = opened(custom_set)
    batches = ClassificationBatches(listed.tiles, listed.scenes.labels, SampleSettings((16, 16)), score_batch_size=2)
    found = list(batches.scoring([3, 0, 2]))
    assert [batch.tile.tolist() for batch in found] == [[3, 0], [2]]
    assert [batch.label.tolist() for batch in found] == [[-1, 1], [-1]]
    assert found[0].image.shape == (2, 3, 16, 16)
    assert [batch.tile.tolist() for batch in batches.scoring([3, 0, 2], first_batch=1)] == [[2]]


def test_a_fit_draws_every_tile_once_an_epoch_and_goes_on_where_it_was(custom_set: TinySet):
    listed = opened(custom_set)
    samples = SampleSettings((16, 16), batch_size=2, random_scale=True, random_mirror=True)
    batches = ClassificationBatches(listed.tiles, listed.scenes.labels, samples, epochs=3)
    whole = list(batches.fitting([0, 1, 3], 0))
    assert len(whole) == len(batches.fitting([0, 1, 3], 0)) == 6
    for epoch in range(3):
        drawn = [tile for batch in whole[2 * epoch : 2 * epoch + 2] for tile in batch.tile.tolist()]
        assert sorted(drawn) == [0, 1, 3]
    rest = list(batches.fitting([0, 1, 3], 0, first_batch=4))
    assert [np.array_equal(a.image, b.image) for a, b in zip(whole[4:], rest, strict=True)] == [True, True]
