import warnings
from pathlib import Path

import torch

from data.batches.samplers import Draw
from data.batches.samples import ClassificationTiles, SegmentationTiles, to_channels_first
from data.batches.transforms import JointTransform, classification, segmentation_training
from data.dataset_json import load_description
from data.descriptions import UCM
from data.reader import TileReader, open_reader
from data.tiles import open_tiles
from tests.conftest import TinySet, picture, write_ucm


def custom_reader(custom: TinySet) -> TileReader:
    return open_reader(load_description("custom", custom.folder), custom.folder, custom.names)


# --- samples ---------------------------------------------------------------------------------------------------------


def test_a_segmentation_sample_is_bytes_with_its_size_inside_the_padding(custom_set: TinySet):
    reader = custom_reader(custom_set)
    tiles = open_tiles(reader.description, reader.data_dir, custom_set.names, custom_set.names)
    sample = SegmentationTiles(tiles, JointTransform((40, 48)))[2]
    assert sample.image.dtype == sample.mask.dtype == torch.uint8
    assert (sample.image[:, :32, :32].permute(1, 2, 0).numpy() == reader.image("tile2")).all()
    assert (sample.mask[:32, :32].numpy() == reader.mask("tile2")).all()
    assert sample.image.shape == (3, 40, 48)
    assert sample.size.tolist() == [32, 32]
    assert sample.tile == 2


def test_a_sample_depends_on_seed_stream_and_draw_number_only(custom_set: TinySet):
    reader = custom_reader(custom_set)
    tiles = open_tiles(reader.description, reader.data_dir, custom_set.names, custom_set.names)
    transform = segmentation_training((24, 24), random_scale=True, random_mirror=True)

    def images(seed: int, stream: str) -> torch.Tensor:
        samples = SegmentationTiles(tiles, transform, seed, stream)
        return torch.stack([samples[Draw(0, number)].image for number in range(8)])

    assert torch.equal(images(1, "labelled"), images(1, "labelled"))
    assert not torch.equal(images(1, "labelled"), images(2, "labelled"))
    assert not torch.equal(images(1, "labelled"), images(1, "unlabelled"))
    assert len({image.numpy().tobytes() for image in images(1, "labelled")}) > 4


def test_a_tile_becomes_a_tensor_of_its_own():
    pixels = picture(0, (4, 5))
    pixels.flags.writeable = False  # as a tile of the cache
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = to_channels_first(pixels)
    assert image.shape == (3, 4, 5)
    assert image[:, 2, 3].tolist() == pixels[2, 3].tolist()
    image.zero_()
    assert (pixels == picture(0, (4, 5))).all()


def test_a_classification_sample_has_its_label_and_never_reads_a_mask(tmp_path: Path):
    ucm = write_ucm(tmp_path)
    for path in (tmp_path / "UCMerced_Labels").iterdir():
        path.unlink()
    tiles = open_tiles(UCM, ucm.folder, ucm.names)
    assert tiles.scene_labels() == {
        "forest00": "forest",
        "forest01": "forest",
        "river00": "river",
        "river01": "river",
    }
    sample = ClassificationTiles(tiles, [7, 7, -1, 16], classification((64, 48)))[3]
    assert sample.label == 16
    assert sample.image.shape == (3, 64, 48)
    assert sample.size.tolist() == [64, 48]
    assert sample.tile == 3
