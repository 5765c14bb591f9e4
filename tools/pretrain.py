"""Pre-train a backbone without masks: on tiles alone, or on their scene labels.

    python tools/pretrain.py --dataset custom --data-dir datasets/town --data-list datasets/town/train.txt
    python tools/pretrain.py --task scenes --dataset ucm --data-dir datasets/ucm --data-list datasets/ucm/train.txt
    torchrun --nproc_per_node=4 tools/pretrain.py ...

Writes backbone.pth to --save-dir, which train_s4gan.py takes as --restore-from and train_AL.py as --classifier-weights.
It says which tiles it has seen, so that a run that is tested on these says so too. Where scene labels are known, the
accuracy of the 5 nearest neighbours is told before and after. The next commands are printed at the end.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.options import pretrain as pretrain_options
from tools.cli.running import parse_first, run
from tools.settings.learning import PretrainingSettings


def parse_args(argv: list[str] | None = None) -> PretrainingSettings:
    """What the command's options say."""
    return pretrain_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import numpy as np
import torch

from data.batches.classification_batches import ClassificationBatches
from data.batches.views import ViewBatches
from data.lists.pretraining import PretrainingTiles, open_pretraining_tiles
from data.lists.scene_list import SceneList
from data.settings import SampleSettings
from data.tile_digests import tile_digests
from model.networks.resnet import build_encoder
from model.pretraining.folder import PretrainingFolder
from model.pretraining.neighbours import NEIGHBOURS, neighbour_accuracy
from model.pretraining.pretrainer import Pretrainer, ViewBatch
from model.pretraining.run import PretrainingRun
from model.pretraining.tasks import TASKS
from model.settings import NetworkSettings
from model.weights.loading import load_backbone
from model.weights.pretrained import Pretraining, origin_of_file, pretraining_of
from model.weights.start import weights_path
from tools.said.command_lines import FirstWeights
from tools.said.next_steps import choosing_and_training
from utils.compute import distributed
from utils.compute.device import choose_device, loader_workers, machine_in_words, machine_record
from utils.compute.precision import resolve_precision
from utils.console import say
from utils.drawing.pictures import picture_grid, save_picture
from utils.progress import Progress
from utils.runs.interrupt import StopRequest
from utils.runs.origin import SeenTiles
from utils.runs.seeds import seed_everything
from utils.settings import SettingsError, as_plain

SHOWN = 6  # tiles of views.png
LARGEST = 256  # pixels of a side of the tiles whose features are measured


def pretrain(settings: PretrainingSettings) -> int:
    """Pre-train a backbone and write its weights; returns the exit code, the same in all processes."""
    device = choose_device(settings.machine)
    distributed.start(device.type)
    check_processes(settings)
    folder = PretrainingFolder(settings.save_dir, as_plain(settings))
    with folder.claim(settings.folder.resume, settings.folder.overwrite):
        # data
        tiles = open_tiles(settings)
        seen = SeenTiles.of(settings.learning.task, tiles.names, digests_of(tiles))
        views = ViewBatches(
            tiles.listed.tiles,
            tiles.listed.scenes.labels,
            tiles.learned,
            settings.views,
            TASKS[settings.learning.task].views,
            settings.machine.random_seed,
        )

        # model
        pretrainer, told = build(settings, tiles, seen, device, folder)
        training = PretrainingRun(
            folder,
            pretrainer,
            told,
            machine_record(device, pretrainer.precision),
            seen,
            views.names,
            (settings.log_every, settings.save_state_every),
            neighbour_test(settings, tiles, pretrainer) if tiles.measured else None,
        )

        # run
        try:
            first_step = training.resume() if settings.folder.resume else training.begin()
            say(what_is_learned(settings, tiles, pretrainer))
            workers = loader_workers(settings.machine.num_workers, device)
            share = (distributed.rank(), distributed.world_size())
            if distributed.is_main() and not settings.folder.resume:
                draw_views(folder, tiles, views, pretrainer)
            batches = views.load(first_step, share, workers, pin_memory=device.type == "cuda")
            with StopRequest(settings.max_hours, training.unsaved) as stop:
                finished = loop(training, batches, first_step, stop)
                training.finish(finished)
        except BaseException:
            training.close()
            raise

        # where things are
        code = report(settings, tiles, training, finished, stop)
        distributed.stop()
        return code


def loop(training: PretrainingRun, batches: Iterator[ViewBatch], first_step: int, stop: StopRequest) -> int:
    """Step until the end or until asked to stop; returns the number of steps finished."""
    with Progress(training.num_steps, "pre-training", "step", first_step, leave=True) as progress:
        for step in range(first_step, training.num_steps):
            started = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - started
            watched = training.pretrainer.train_step(batch, step)
            values = training.after_step(step + 1, watched, waited)
            if values is not None:
                progress.show({"loss": values["loss"]})
            progress.update()
            if training.ends_early(stop):
                return step + 1
    return training.num_steps


def check_processes(settings: PretrainingSettings) -> None:
    """Refuse a batch that cannot be shared out.

    Raises:
        SettingsError: says so.
    """
    processes, size = distributed.world_size(), settings.views.batch_size
    if size % processes or size // processes < 2:
        raise SettingsError(
            f"{{batch_size}} {size} is that of all processes, and does not give {processes} two tiles or more each, "
            "equally many"
        )


def open_tiles(settings: PretrainingSettings) -> PretrainingTiles:
    """The tiles to learn from, and those that tell how good the features are."""
    return open_pretraining_tiles(
        settings.data,
        settings.learning.task == "scenes",
        settings.machine.random_seed,
        settings.val_list,
        settings.scene_labels,
        settings.scene_classes,
        settings.skip_bad_images,
    )


def digests_of(tiles: PretrainingTiles) -> list[str]:
    """Digests of the images that are learned from."""
    digests = tile_digests(tiles.listed.tiles)
    return [digests[position] for position in tiles.learned]


def build(
    settings: PretrainingSettings,
    tiles: PretrainingTiles,
    seen: SeenTiles,
    device: torch.device,
    folder: PretrainingFolder,
) -> tuple[Pretrainer, Callable[[int], Pretraining]]:
    """The backbone with its first weights in the hands of its task, and what its file says after so many steps."""
    learning, bands = settings.learning, tiles.listed.tiles.description.bands
    seed_everything(settings.machine.random_seed)
    encoder, features = build_encoder(learning.backbone, len(bands.names))
    before: tuple[SeenTiles, ...] = ()
    path = weights_path(NetworkSettings(learning.backbone, learning.restore_from))
    if path is None:
        say(f"{learning.backbone} starts from random weights")
    else:
        if (pretraining := pretraining_of(path)) is not None:
            pretraining.require_fit(path, learning.backbone, bands, "backbone")
        say(str(load_backbone(encoder, path, bands.names)))
        before = origin_of_file(path).seen
    pretrainer = Pretrainer(
        encoder,
        features,
        learning,
        learning.num_steps(len(tiles.learned), settings.views.batch_size),
        device,
        resolve_precision(settings.machine.precision, device),
        bands.pixels,
        len(tiles.listed.scenes.classes),
        changes_colours=settings.views.jitter > 0,
    )
    told = Pretraining(learning.task, learning.backbone, bands, settings.views.input_size, 0, (seen, *before))
    return pretrainer, lambda steps: replace(told, steps=steps)


def neighbour_test(
    settings: PretrainingSettings, tiles: PretrainingTiles, pretrainer: Pretrainer
) -> Callable[[], float]:
    """Measures how often the nearest tiles of known class tell the class of those that are held out.

    Tiles are seen as large as they are used later, not as small as the views, up to `LARGEST` pixels a side.
    """
    device = pretrainer.device

    def features(of: SceneList, positions: list[int]) -> torch.Tensor:
        height, width = (max(16, min(side, LARGEST)) for side in of.tiles.reader.tile_size)
        samples = SampleSettings((height, width), settings.views.batch_size)
        loading = (loader_workers(settings.machine.num_workers, device), device.type == "cuda")
        batches = ClassificationBatches(of.tiles, of.scenes.labels, samples, 1, samples.batch_size, 0, *loading)
        found = pretrainer.features(batches.scoring(positions))
        return distributed.gather_batches(found, samples.batch_size, len(positions))

    def labels(of: SceneList, positions: list[int]) -> torch.Tensor:
        return torch.from_numpy(of.scenes.labels[np.array(positions)])

    of_known, of_measured = (tiles.listed, list(tiles.known)), (tiles.held_out, list(tiles.measured))
    return lambda: neighbour_accuracy(
        features(*of_measured), labels(*of_measured), features(*of_known), labels(*of_known)
    )


# --- what is said and shown -------------------------------------------------------------------------------------------


def what_is_learned(settings: PretrainingSettings, tiles: PretrainingTiles, pretrainer: Pretrainer) -> str:
    """Tiles, task, machine and length in words."""
    learning, count = settings.learning, len(tiles.learned)
    from_what = "without labels" if learning.task == "self" else f"of {len(tiles.listed.scenes.classes)} scene classes"
    machine = machine_in_words(pretrainer.device, pretrainer.precision)
    epochs = pretrainer.num_steps * settings.views.batch_size / count
    return (
        f"{count} tiles {from_what}; {learning.backbone}, {machine}; {pretrainer.num_steps} steps of "
        f"{settings.views.batch_size} tiles (epochs: {epochs:.0f})"
    )


def draw_views(folder: PretrainingFolder, tiles: PretrainingTiles, views: ViewBatches, pretrainer: Pretrainer) -> None:
    """Write views.png: some tiles, each with the views that the first step learns from."""
    listed, batch = tiles.listed.tiles, next(views.load())
    images, inside = pretrainer.views(batch)
    stored = torch.cat([images, inside], dim=1) if pretrainer.pixels.has_validity else images
    pictures = (255 * stored).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    shown = [listed.description.bands.as_shown(picture) for picture in pictures]
    positions = torch.as_tensor(batch.tile).tolist()[:SHOWN]
    rows = [[listed.shown(position), *shown[row :: len(batch.image)]] for row, position in enumerate(positions)]
    captions = [
        [listed.names[position], *("view" for _ in row[1:])] for row, position in zip(rows, positions, strict=True)
    ]
    save_picture(folder.path / "views.png", picture_grid(rows, captions))


def report(
    settings: PretrainingSettings, tiles: PretrainingTiles, training: PretrainingRun, finished: int, stop: StopRequest
) -> int:
    """Say how good the features are, where the weights are and what takes them; returns the exit code."""
    if training.before is not None and training.after is not None:
        say(
            f"{NEIGHBOURS} nearest neighbours tell the scene class of {training.after:.1%} of {len(tiles.measured)} "
            f"tiles ({tiles.where}); with the first weights they told {training.before:.1%}"
        )
    if finished < training.num_steps:
        reason = stop.reason or "another process was asked to end"
        say(f"{reason}: state and weights saved after step {finished}; the same command with --resume goes on")
        return max(distributed.gather_objects(stop.exit_code))
    say(f"weights, curves and views: {training.folder.path}")
    data = settings.data
    places = (data.dataset.lower(), data.data_dir, data.data_list, data.description())
    for step in choosing_and_training(*places, FirstWeights(training.folder.weights, settings.learning.backbone)):
        say(str(step))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(pretrain, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
