"""Batches of tiles for segmentation: endless and augmented to train on, whole and in order to evaluate."""

from collections.abc import Iterator, Sequence
from itertools import repeat

from torch.utils.data import DataLoader

from data.batches.samplers import EndlessBatches, OrderedBatches, build_loader
from data.batches.samples import SegmentationSample, SegmentationTiles
from data.batches.strong_views import ViewedSample, ViewedTiles
from data.batches.transforms import segmentation_evaluation, segmentation_training
from data.settings import SampleSettings
from data.tiles import Tiles
from utils.settings import SettingsError

ALONE = (0, 1)  # the share of a process that has no others beside it


def training_batches(
    tiles: Tiles,
    positions: Sequence[int],
    samples: SampleSettings,
    seed: int,
    stream: str,
    first_step: int = 0,
    share: tuple[int, int] = ALONE,
    workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[SegmentationSample]:
    """Batches without end from one stream of draws.

    Args:
        tiles: a list of tiles.
        positions: those of the list that are drawn from.
        samples: size, augmentation and number of samples of a batch.
        seed, stream: what order and augmentation depend on.
        first_step: batches that were used before.
        share: this process's number and the number of processes; each takes its part of every batch.
        workers: processes that prepare batches.
        pin_memory: batches come in page-locked memory, for a GPU.
    """
    order = EndlessBatches(positions, samples.batch_size, seed, stream, first_step, *share)
    return iter(build_loader(_changed_tiles(tiles, samples, seed, stream), order, workers, pin_memory))


def viewed_batches(
    tiles: Tiles,
    positions: Sequence[int],
    samples: SampleSettings,
    seed: int,
    stream: str,
    first_step: int = 0,
    share: tuple[int, int] = ALONE,
    workers: int = 0,
    pin_memory: bool = False,
    views: int = 1,
) -> Iterator[ViewedSample]:
    """The batches of `training_batches`, with partners and random numbers for so many strong views of each tile."""
    order = EndlessBatches(positions, samples.batch_size, seed, stream, first_step, *share)
    partners = EndlessBatches(positions, samples.batch_size, seed, f"{stream}/partner")
    dataset = ViewedTiles(_changed_tiles(tiles, samples, seed, stream), partners, views)
    return iter(build_loader(dataset, order, workers, pin_memory))


def _changed_tiles(tiles: Tiles, samples: SampleSettings, seed: int, stream: str) -> SegmentationTiles:
    transform = segmentation_training(samples.input_size, samples.random_scale, samples.random_mirror)
    return SegmentationTiles(tiles, transform, seed, stream)


def evaluation_batches(
    tiles: Tiles,
    input_size: tuple[int, int],
    batch_size: int,
    positions: Sequence[int] | None = None,
    share: tuple[int, int] = ALONE,
    workers: int = 0,
    pin_memory: bool = False,
    keep_workers: bool = False,
) -> DataLoader[SegmentationSample]:
    """Whole tiles in their order, never cropped or resized.

    Args:
        tiles: a list of tiles.
        input_size: height and width that smaller tiles are padded to, right and below.
        batch_size: tiles of a batch.
        positions: those of the list that are read; None: all.
        share: this process's number and the number of processes, which take whole batches in turn.
        workers: processes that prepare batches.
        pin_memory: batches come in page-locked memory, for a GPU.
        keep_workers: the processes outlive a pass over the batches.
    """
    dataset = SegmentationTiles(tiles, segmentation_evaluation(input_size, tiles.reader.tile_size))
    order = OrderedBatches(range(len(tiles)) if positions is None else positions, batch_size, 0, *share)
    return build_loader(dataset, order, workers, pin_memory, keep_workers)


def named_tiles(
    tiles: Tiles, positions: Sequence[int], input_size: tuple[int, int]
) -> Iterator[tuple[str, SegmentationSample]]:
    """Names of some tiles, and a batch of each as it is evaluated."""
    names = [tiles.names[position] for position in positions]
    return zip(names, evaluation_batches(tiles, input_size, 1, positions), strict=True)


class TrainingStreams:
    """The batches of a training run: a stream of labelled tiles, and one of the others where a method asks for it.

    Args:
        tiles: a list of tiles, of which some are labelled.
        samples: size, augmentation and number of samples of a batch.
        seed: what order and augmentation depend on.
        with_unlabelled: whether there is a stream of the other tiles.
        views: strong views that come with each of the other tiles; 0: these come as they are.

    Raises:
        SettingsError: a stream has no tiles.
    """

    def __init__(self, tiles: Tiles, samples: SampleSettings, seed: int, with_unlabelled: bool, views: int = 0) -> None:
        self._tiles, self._samples, self._seed, self._views = tiles, samples, seed, views
        labelled, unlabelled = tiles.labelled_positions()
        if not labelled:
            raise SettingsError(
                "no tile of the list is labelled, at least one is needed; open the list with `labelled`"
            )
        if with_unlabelled and not unlabelled:
            raise SettingsError(
                f"all {len(tiles)} tiles are labelled, so there are no unlabelled batches; open the list with fewer as "
                "`labelled`, or train without unlabelled tiles"
            )
        self.positions = {"labelled": labelled} | ({"unlabelled": unlabelled} if with_unlabelled else {})
        self._orders = {
            stream: EndlessBatches(positions, samples.batch_size, seed, stream)
            for stream, positions in self.positions.items()
        }

    def names(self, step: int) -> dict[str, list[str]]:
        """Names of the tiles of the step-th batch of each stream, counted from 1; they follow from the seed."""
        return {
            stream: [self._tiles.names[draw.tile] for draw in order.batch(step - 1)]
            for stream, order in self._orders.items()
        }

    def pairs(
        self, first_step: int = 0, share: tuple[int, int] = ALONE, workers: int = 0, pin_memory: bool = False
    ) -> Iterator[tuple[SegmentationSample, SegmentationSample | ViewedSample | None]]:
        """A labelled and an unlabelled batch for each step, without end; None where there are no unlabelled ones."""
        place = (first_step, share, workers, pin_memory)
        labelled = training_batches(*self._stream("labelled"), *place)
        if "unlabelled" not in self.positions:
            return zip(labelled, repeat(None), strict=False)
        if self._views == 0:
            return zip(labelled, training_batches(*self._stream("unlabelled"), *place), strict=True)
        return zip(labelled, viewed_batches(*self._stream("unlabelled"), *place, self._views), strict=True)

    def _stream(self, name: str) -> tuple[Tiles, list[int], SampleSettings, int, str]:
        return self._tiles, self.positions[name], self._samples, self._seed, name
