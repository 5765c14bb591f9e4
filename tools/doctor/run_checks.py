"""Checks of what a run needs beside data: weights, an evaluation without fault, disk space, a device."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from data.batches.samplers import OrderedBatches, build_loader
from data.batches.samples import SegmentationSample, SegmentationTiles
from data.batches.transforms import segmentation_evaluation
from data.checking.findings import Finding, by
from data.checking.survey import SurveyedTile
from data.checking.surveyed_set import SurveyedSet
from data.decoding.masks import MAX_OFF_PALETTE
from data.tiles import open_tiles
from model.methods.settings import PUBLISHED_STEPS
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from model.run_files import find_checkpoint
from model.weights.defaults import default_weights
from model.weights.files import read_state_dict
from model.weights.loading import load_backbone, load_network
from model.weights.matching import is_generator_checkpoint
from tools.settings.upkeep import CheckSettings
from utils.compute.device import choose_device
from utils.compute.machine import free_memory, total_memory
from utils.compute.precision import resolve_precision
from utils.errors import DataError, UserError
from utils.evaluation.evaluate import evaluate
from utils.imagery.labels import IGNORE_INDEX
from utils.runs.settings import KeepingSettings
from utils.runs.space import RunSpace, as_size, as_sizes, existing_folder, free_space, network_bytes

PERFECT_TILES = 16  # tiles that the perfect predictor answers


def weights(surveyed: SurveyedSet, settings: CheckSettings) -> Finding:
    """How much of the network the weights of --restore-from would fill."""
    given, backbone = settings.restore_from, settings.backbone
    if given is not None and given.lower() == "none":
        return Finding("weights", "-", "none: training starts from random weights")
    path = Path(given) if given is not None else default_weights(backbone)
    if path is None:
        return Finding("weights", "-", f"not given; {backbone} starts from random weights")
    if given is None and not path.is_file():
        return Finding("weights", "warn", f"a default run starts from {path.name}, which is not in {path.parent}")
    network = DeepLabV2(surveyed.description.num_classes, backbone)
    try:
        path = find_checkpoint(path)
        found = read_state_dict(path)
    except UserError as error:
        return Finding("weights", "FAIL", f"0 % would load: {error}", values={"share": 0.0})
    is_whole = is_generator_checkpoint(found)
    part = network if is_whole else network.backbone
    own = {name: tensor for name, tensor in part.state_dict().items() if not name.endswith(".num_batches_tracked")}
    share = sum(name in found and found[name].shape == tensor.shape for name, tensor in own.items()) / len(own)
    try:
        report = load_network(part, path) if is_whole else load_backbone(part, path)
    except UserError as error:
        text = f"{share:.0%} of the tensors would load, all are needed: {error}"
        return Finding("weights", "FAIL", text, values={"share": share})
    return Finding("weights", "ok", f"{share:.0%}: {report}", values={"share": share})


def perfect_score(surveyed: SurveyedSet, settings: CheckSettings) -> Finding:
    """A predictor that knows the truth scores 1.0 on a sample of tiles, by the path that scores networks."""
    names = _scorable(surveyed)
    if not names:
        return Finding("perfect score", "-", "no tile with a usable image and mask")
    description, size = surveyed.description, settings.input_size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stray colours are another point
        try:
            tiles = open_tiles(description, surveyed.data.data_dir, names, names)
            dataset = SegmentationTiles(tiles, segmentation_evaluation(size, tiles.reader.tile_size))
            batches = build_loader(dataset, OrderedBatches(range(len(names)), 4), 0, pin_memory=False)
            answers = _Answers(batches, lambda tile: tiles.reader.mask(names[tile]), description.num_classes)
            pixels = description.bands.pixels
            matrix, _ = evaluate(answers, answers, description.num_classes, torch.device("cpu"), pixels=pixels)
        except DataError as error:
            return Finding("perfect score", "FAIL", str(error))
    scores = matrix.scores()
    values = {"tiles": len(names), "mean_iou": scores.mean_iou, "pixel_accuracy": scores.pixel_accuracy}
    if scores.mean_iou is None:
        return Finding("perfect score", "warn", f"no labelled pixel in {len(names)} tiles", values=values)
    text = f"mean IoU {scores.mean_iou} on {len(names)} tiles of {by(tiles.reader.tile_size)}"
    if scores.mean_iou != 1 or scores.pixel_accuracy != 1:
        return Finding("perfect score", "FAIL", f"{text}, expected 1.0", values=values)
    return Finding("perfect score", "ok", text, values=values)


def _scorable(surveyed: SurveyedSet) -> list[str]:
    """Tiles spread over the last list (the test list, if there is one) whose image and mask are without fault."""

    def is_usable(tile: SurveyedTile) -> bool:
        mask = tile.mask
        fits = mask is not None and mask.fault is None and mask.off_palette_share <= MAX_OFF_PALETTE
        return fits and tile.image.fault is None and sum(mask.class_pixels if mask else ()) > 0

    usable = [n for n in surveyed.lists.get("test", surveyed.lists["data"]) if is_usable(surveyed.tiles[n])]
    spread = np.linspace(0, max(0, len(usable) - 1), min(PERFECT_TILES, len(usable)))
    return [usable[int(i)] for i in spread]


class _Answers:
    """Batches on their way to evaluation, and a network that answers each with the masks of its tiles."""

    def __init__(
        self, batches: Iterable[SegmentationSample], truth_of: Callable[[int], np.ndarray], num_classes: int
    ) -> None:
        self.batches, self.truth_of, self.num_classes = batches, truth_of, num_classes
        self._tiles: list[int] = []

    def __iter__(self) -> Iterator[SegmentationSample]:
        for batch in self.batches:
            self._tiles = torch.as_tensor(batch.tile).tolist()
            yield batch

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, C, H, W) of normalised images (B, 3, H, W); class 0 in the padding and where no class is known."""
        ids = torch.zeros(len(images), images.shape[2], images.shape[3], dtype=torch.int64)
        for row, tile in enumerate(self._tiles):
            truth = torch.from_numpy(self.truth_of(tile).astype(np.int64))
            ids[row, : truth.shape[0], : truth.shape[1]] = truth.where(truth != IGNORE_INDEX, 0)
        return F.one_hot(ids, self.num_classes).permute(0, 3, 1, 2).float()


def disk_space(surveyed: SurveyedSet, settings: CheckSettings) -> Finding:
    """The checkpoints of a default run fit on the disk."""
    num_classes = surveyed.description.num_classes
    with torch.device("meta"):
        networks = DeepLabV2(num_classes, settings.backbone), Discriminator(num_classes)
    sizes = [network_bytes(network) for network in networks]
    steps, every = PUBLISHED_STEPS, KeepingSettings().save_pred_every
    space = RunSpace(sizes[0], sizes[1], steps, every)
    needed, existing = space.needed(), existing_folder(settings.checkpoint_dir)
    free = free_space(existing)
    texts = as_sizes(needed, free)
    text = (
        f"{space.checkpoints()} checkpoints of a default run ({steps} steps, every {every}, "
        f"{settings.backbone}) take {texts[0]}; {texts[1]} are free at {existing}"
    )
    values = {"needed": needed, "free": free, "folder": str(existing)}
    if not os.access(existing, os.W_OK):
        text = f"{existing} cannot be written; choose another --checkpoint-dir"
        return Finding("disk space", "FAIL", text, values=values)
    if free >= needed:
        return Finding("disk space", "ok", text, values=values)
    fewest = replace(space, keep_last=1).needed()
    advice = "--keep-last or a larger --save-pred-every" if free >= fewest else "another --checkpoint-dir"
    return Finding("disk space", "warn" if free >= fewest else "FAIL", f"{text}; use {advice}", values=values)


def machine(_: SurveyedSet, settings: CheckSettings) -> Finding:
    """Where a run would work, its memory, and the precision that `auto` picks there."""
    device = choose_device(settings.machine)
    precision = resolve_precision("auto", device)
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
    else:
        name = f"CPU, {torch.get_num_threads()} threads"
        total, free = total_memory() or 0, free_memory() or 0
    memory = "{} of {} memory free".format(*as_sizes(free, total)) if free else f"{as_size(total)} memory"
    text = f"{name}; {memory}; precision auto is {precision}"
    values = {"device": str(device), "name": name, "free": free, "total": total, "precision": precision}
    if device.type == "cpu" and settings.machine.device != "cpu":
        text += "; torch sees no CUDA device, so a default run takes long"
        return Finding("device", "warn", text, values=values)
    return Finding("device", "ok", text, values=values)
