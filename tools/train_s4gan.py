"""Train a segmentation network on few labelled tiles and all the others, by s4GAN or another method.

    python tools/train_s4gan.py --dataset ucm --labeled-ratio 0.05 --threshold-st 0.6 --num-classes 18 \\
        --data-dir datasets/ucm --data-list datasets/ucm/train.txt --batch-size 10 --num-steps 20000 \\
        --restore-from pretrained_models/resnet101-63fe2227.pth --save-pred-every 100 \\
        --active-learning --active-learning-images-array active_learning/UCM/margin_names_0.05_0.1_0.5.npy
    python tools/train_s4gan.py --method fixmatch ...       or supervised, unimatch; --threshold-st is s4GAN's
    torchrun --nproc_per_node=4 tools/train_s4gan.py ...

Writes checkpoint<step>.pth to --checkpoint-dir, by the steps finished, beside it ..._D.pth (s4GAN's discriminator) or
..._student.pth (of a teacher); last.pth, from which --resume goes on; options, labelled names, metrics.csv, pictures.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.options import train as train_options
from tools.cli.running import parse_first, run
from tools.settings.learning import TrainingSettings


def parse_args(argv: list[str] | None = None) -> TrainingSettings:
    """What the command's options say."""
    return train_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import torch
from PIL import Image
from torch import nn

from data.batches.loaders import TrainingStreams, named_tiles
from data.lists.evaluation_tiles import EvaluationTiles
from data.lists.labelled import choose_labelled, require_labelled_pixels
from data.lists.splits import read_names, read_names_array
from data.reader import TileReader
from data.tiles import Tiles, open_tiles
from model.methods import build_method, method_class
from model.methods.method import Method
from model.methods.settings import Execution, SupervisedSettings
from model.networks.deeplabv2 import DeepLabV2
from model.panels import draw_panels, spread
from model.training import TrainingRun
from model.validation import mean_iou
from model.weights.loading import load_network
from model.weights.start import load_first_weights, origin_of_run
from tools.said.mask_remarks import say_mask_remarks
from tools.said.seen_tiles import remarks_on_scored
from tools.said.training import on_slow_teacher, report, what_is_trained
from utils.batches import MaskedBatch
from utils.compute import distributed
from utils.compute.device import choose_device, loader_workers, machine_record
from utils.compute.precision import resolve_precision
from utils.console import say
from utils.evaluation.notes import on_drafted_masks, on_labelled_tiles, on_overlapping_tiles
from utils.evaluation.windows import Windows
from utils.progress import Progress
from utils.runs.folder import RunFolder
from utils.runs.interrupt import StopRequest
from utils.runs.origin import Origin
from utils.runs.record import RunRecord, read_record
from utils.runs.seeds import seed_everything
from utils.settings import SettingsError, as_plain
from utils.wording import worded


def train(settings: TrainingSettings) -> int:
    """Train a network and write its checkpoints; returns the exit code, the same in all processes."""
    device = choose_device(settings.machine)
    distributed.start(device.type)
    check_processes(settings, device)
    folder = RunFolder(settings.keeping.checkpoint_dir)
    with folder.claim(settings.folder.resume, settings.folder.overwrite):
        if settings.folder.resume:
            distributed.from_main(folder.check_state)  # not before: a killed --overwrite is undone by `claim`
        tiles = open_training_tiles(settings, folder)
        origin = origin_of_run(settings.network, folder if settings.folder.resume else None)
        validation = open_validation_tiles(settings, tiles, origin)
        method, from_imagenet = build(settings, tiles, device, folder)
        seed, with_unlabelled = settings.machine.random_seed, method.unlabelled_batches > 0
        streams = TrainingStreams(tiles, settings.samples, seed, with_unlabelled, len(method.views))
        training = TrainingRun(
            folder,
            method,
            settings.keeping,
            replace(record_of(settings, tiles, method, from_imagenet), weights=origin),
            tiles.labelled,
            streams.names,
            validate=None if validation is None else lambda: validate(settings, validation, method),
            draw=lambda step: draw_tiles(settings, tiles, method, step),
        )
        try:
            first_step = training.resume() if settings.folder.resume else training.begin()
            say_mask_remarks(tiles, None if validation is None else validation.tiles)
            say(what_is_trained(settings, tiles, method))
            if remark := on_slow_teacher(settings.method):
                say(remark)
            workers = loader_workers(settings.machine.num_workers, device, loaders=2)  # labelled and unlabelled
            share = (distributed.rank(), distributed.world_size())
            batches = streams.pairs(first_step, share, workers, pin_memory=device.type == "cuda")
            with StopRequest(settings.keeping.max_hours, training.unsaved) as stop:
                finished = loop(training, batches, first_step, stop)
                training.finish(finished)
        except BaseException:
            training.close()
            raise
        code = report(settings, tiles, folder, finished, stop)
        distributed.stop()
        return code


def loop(
    training: TrainingRun,
    batches: Iterator[tuple[MaskedBatch, MaskedBatch | None]],
    first_step: int,
    stop: StopRequest,
) -> int:
    """Step until the end or until asked to stop; returns the number of steps finished."""
    with Progress(training.num_steps, "training", "step", first_step, leave=True) as progress:
        for step in range(first_step, training.num_steps):
            started = time.perf_counter()
            labelled, unlabelled = next(batches)
            waited = time.perf_counter() - started
            losses = training.method.train_step(labelled, unlabelled, step)
            finished = step + 1  # files and log lines are named by steps finished
            values = training.after_step(finished, losses, waited)
            if values is not None:
                progress.show({name: value for name, value in values.items() if name.startswith("loss")})
            progress.update()
            if training.ends_early(stop):
                return finished
    return training.num_steps


def check_processes(settings: TrainingSettings, device: torch.device) -> None:
    """Refuse what several processes, or this device, cannot do.

    Raises:
        SettingsError: the batch cannot be shared out, or BatchNorm not be synchronised.
    """
    processes, size, parts = distributed.world_size(), settings.samples.batch_size, settings.method.accumulate
    if size % (processes * parts):
        by = f"{processes} processes" + (f" of {parts} parts each" if parts > 1 else "")
        raise SettingsError("{batch_size} {} is that of all processes, and does not divide by {}", size, by)
    if settings.network.sync_bn and device.type != "cuda":
        raise SettingsError("{sync_bn} works on CUDA only, and this run is on the {}; leave it out", device.type)


def open_training_tiles(settings: TrainingSettings, folder: RunFolder) -> Tiles:
    """The tiles of the list, with the masks of the labelled ones: the active learner's, a random share, or all.

    A resumed run that learns from all masks goes on with those that were there when it began.
    """
    data, seed = settings.data, settings.machine.random_seed
    description = data.description()
    data.check_num_classes(description.num_classes, "pixel classes")
    description = description.ignoring(settings.method.ignore_label)
    names = read_names(data.data_list, description)
    reader = TileReader(description, data.data_dir, (0, 0))
    if settings.labelled.labelled is not None and settings.folder.resume and folder.labelled_names.is_file():
        labelled = read_names_array(folder.labelled_names, description, names, data.data_list)
    else:
        labelled = choose_labelled(settings.labelled, reader, names, data.data_list, seed)
    tiles = distributed.main_first(lambda: open_tiles(description, data.data_dir, names, labelled, data.cache()))
    require_labelled_pixels(tiles.masks, "the labelled tiles")
    return tiles


def open_validation_tiles(settings: TrainingSettings, training: Tiles, origin: Origin | None) -> EvaluationTiles | None:
    """The tiles of the validation list, or None without one; says which were learned from, overlap or were drafted."""
    path, samples = settings.val_list, settings.samples
    if path is None:
        return None
    called = worded("{val_list} {}", path)
    tiles = EvaluationTiles.open(
        settings.data,
        path,
        training.description,
        samples.input_size,
        validation_windows(settings).tiles_at_once,
        called=called,
    )
    if learned := on_labelled_tiles(tiles.names, training.labelled, path):
        say(f"warning: {learned}", file=sys.stderr)
    for seen in remarks_on_scored(origin, tiles.tiles, path):
        say(f"warning: {seen}", file=sys.stderr)
    if overlap := on_overlapping_tiles(tiles.overlapping, tiles.names, path):
        say(overlap)
    if drafts := on_drafted_masks(tiles.names, tiles.drafted, path):
        say(f"warning: {drafts}", file=sys.stderr)
    return tiles


def validation_windows(settings: TrainingSettings) -> Windows:
    """How validation reads tiles: a batch has no more pixels than one that this process trains on."""
    crop, share = settings.samples.input_size, distributed.world_size() * settings.method.accumulate
    most = max(1, settings.samples.batch_size // share)
    return Windows(crop, crop, Windows.overlap, settings.val_batch_size, most * crop[0] * crop[1], most)


def with_fitting_method(settings: TrainingSettings, tiles: Tiles) -> TrainingSettings:
    """The settings, with the supervised method where theirs would learn from unlabelled tiles and there are none.

    Raises:
        SettingsError: they ask for what the supervised method does not have.
    """
    if len(tiles.labelled) < len(tiles) or not method_class(settings.method.name).unlabelled_batches:
        return settings
    say("every tile is labelled: training on labelled tiles alone, as with --supervised-only")
    return replace(settings, method=settings.method.on_labelled_tiles_alone())


def build(settings: TrainingSettings, tiles: Tiles, device: torch.device, folder: RunFolder) -> tuple[Method, bool]:
    """The method around networks with their first weights, and whether these were ImageNet's."""
    settings = with_fitting_method(settings, tiles)
    network, bands = settings.network, tiles.description.bands
    seed_everything(settings.machine.random_seed)
    generator = DeepLabV2(tiles.num_classes, network.backbone, len(bands.names))
    record = read_record(folder.options) if settings.folder.resume else None
    has_state = record is not None and folder.last.exists()  # else it was killed before it saved its first state
    if has_state:
        from_imagenet = bool(record and record.imagenet_weights)
    else:
        from_imagenet = load_first_weights(generator, network, bands, tiles.classes)
    if network.sync_bn:
        generator = nn.SyncBatchNorm.convert_sync_batchnorm(generator)
    precision = resolve_precision(settings.machine.precision, device)
    execution = Execution(precision, network.compile, freeze_affine=from_imagenet)
    method = build_method(settings.method, generator, device, execution, bands.pixels)
    if network.restore_from_D is not None and not has_state:
        say(str(load_network(method.networks()["_D"], Path(network.restore_from_D))))
    torch.manual_seed(settings.machine.random_seed + distributed.rank())  # each process drops out for itself
    return method, from_imagenet


def record_of(settings: TrainingSettings, tiles: Tiles, method: Method, from_imagenet: bool) -> RunRecord:
    """What the run says of itself."""
    description = tiles.description
    is_supervised = isinstance(settings.method, SupervisedSettings)
    return RunRecord(
        backbone=settings.network.backbone,
        classes=description.classes,
        colours=description.colours,
        tile_size=tiles.reader.tile_size,
        method=method.name,
        ignore_label=settings.method.ignore_label,
        bands=description.bands,
        imagenet_weights=from_imagenet,
        options=dict(sorted({**as_plain(settings), "supervised_only": is_supervised}.items())),
        machine=machine_record(method.device, method.execution.precision),
    )


def validate(settings: TrainingSettings, tiles: EvaluationTiles, method: Method) -> float | None:
    """Mean IoU on the validation list; the processes share the tiles."""
    windows = validation_windows(settings)
    return mean_iou(method, tiles.loader, tiles.description.num_classes, windows)


def draw_tiles(settings: TrainingSettings, tiles: Tiles, method: Method, step: int) -> Image.Image:
    """Some labelled and unlabelled tiles from all over the list, with what is made of them."""
    description = tiles.description
    labelled, unlabelled = (
        named_tiles(tiles, spread(positions, tiles.names, offset), settings.samples.input_size)
        for positions, offset in zip(tiles.labelled_positions(), (0.25, 0.75), strict=True)
    )
    looks = (description.legend, description.colours, step, description.bands)
    return draw_panels(method, labelled, unlabelled, *looks, validation_windows(settings))


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(train, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
