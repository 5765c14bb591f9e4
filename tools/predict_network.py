"""The network that makes maps: which checkpoint, and what the run's options.json says of it."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from data.descriptions import Description
from model.networks.deeplabv2 import DeepLabV2
from model.networks.names import BACKBONES
from model.weights.loading import load_network
from utils.colours import RGB
from utils.errors import DataError, OptionError
from utils.labels import IGNORE_INDEX
from utils.runs.folder import RunFolder
from utils.runs.record import read_record


@dataclass(frozen=True)
class NetworkFacts:
    """What a checkpoint's tensors do not say.

    Attributes:
        checkpoint: the file.
        backbone: name of the backbone.
        classes: pixel classes in the order of their ids.
        colours: RGB of each.
        tile_size: height and width of the tiles that it was trained on; None where nobody says.
        ignore_label: id that was not learned from, as far as somebody says; 255: none.
    """

    checkpoint: Path
    backbone: str
    classes: tuple[str, ...]
    colours: tuple[RGB, ...]
    tile_size: tuple[int, int] | None
    ignore_label: int = IGNORE_INDEX


def find_checkpoint(args: argparse.Namespace) -> Path:
    """`--checkpoint`, or of `--checkpoint-dir` best.pth, or else the newest checkpoint.

    Raises:
        OptionError: there is none.
    """
    if args.checkpoint is not None:
        if not args.checkpoint.is_file():
            raise OptionError(f"--checkpoint {args.checkpoint} is no file; give a checkpoint<step>.pth or best.pth")
        return Path(args.checkpoint)
    if not args.checkpoint_dir.is_dir():
        raise OptionError(
            f"--checkpoint-dir {args.checkpoint_dir} is not a folder; give the folder of a training run, "
            "or --checkpoint with a file"
        )
    folder = RunFolder(args.checkpoint_dir)
    if folder.best.is_file():
        return folder.best
    if not (steps := folder.steps()):
        raise OptionError(
            f"{args.checkpoint_dir} holds neither best.pth nor a checkpoint<step>.pth; "
            "give the folder of a training run, or --checkpoint with a file"
        )
    return folder.generator(steps[-1])


def network_facts(args: argparse.Namespace, description: Description | None) -> NetworkFacts:
    """What the options.json beside the checkpoint says; where there is none, what the options say.

    Args:
        args: `backbone`, and where the checkpoint lies.
        description: the data set of `--dataset`, if it was given.

    Raises:
        OptionError: neither says what the network is, or the two contradict each other.
        DataError: options.json is damaged.
    """
    checkpoint = find_checkpoint(args)
    record = checkpoint.parent / "options.json"
    if record.is_file():
        facts = _recorded(checkpoint, record, args.backbone)
        if description is not None and facts.classes != description.classes:
            raise OptionError(
                f"the {len(facts.classes)} classes in {record} differ from the data set's {description.num_classes}; "
                "give the data set that the run was trained on"
            )
        return facts
    missing = [name for name, value in (("--backbone", args.backbone), ("--dataset", description)) if value is None]
    if missing or description is None:
        raise OptionError(
            f"no options.json beside {checkpoint}, which says what network it is; copy it from the run's folder, "
            f"or give {' and '.join(missing)} (a custom data set with --data-dir)"
        )
    size = description.tile_size
    tile_size = (size, size) if size else None
    return NetworkFacts(checkpoint, args.backbone, description.classes, description.colours, tile_size)


def load_generator(facts: NetworkFacts) -> DeepLabV2:
    """The network with the checkpoint's weights.

    Raises:
        DataError: the checkpoint is damaged, of another network, or of one whose training has diverged.
    """
    network = DeepLabV2(len(facts.classes), facts.backbone)
    load_network(network, facts.checkpoint)
    return network


def _recorded(checkpoint: Path, path: Path, backbone: str | None) -> NetworkFacts:
    record = read_record(path)
    backbone = backbone or record.backbone
    if backbone not in BACKBONES:
        raise DataError(f"{path} names the backbone {backbone!r}, known are {', '.join(BACKBONES)}; give --backbone")
    return NetworkFacts(checkpoint, backbone, record.classes, record.colours, record.tile_size, record.ignore_label)
