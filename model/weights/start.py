"""The weights that a network starts training from."""

from collections.abc import Sequence
from pathlib import Path

from model.networks.deeplabv2 import DeepLabV2
from model.settings import NetworkSettings
from model.weights.defaults import default_weights
from model.weights.files import read_state_dict, read_weight_file
from model.weights.loading import load_backbone, load_network
from model.weights.matching import is_generator_checkpoint
from model.weights.pretrained import FILE, origin_of_file, pretraining_of
from utils.compute import distributed
from utils.console import say
from utils.errors import DataError
from utils.imagery.bands import RGB_BANDS, Bands
from utils.paths import read_bytes
from utils.runs.folder import RunFolder
from utils.runs.origin import Origin, SeenTiles
from utils.runs.record import read_record
from utils.settings import SettingsError
from utils.wording import worded


def load_first_weights(
    generator: DeepLabV2, network: NetworkSettings, bands: Bands = RGB_BANDS, classes: Sequence[str] = ()
) -> bool:
    """Load the weights that settings name into a generator of their backbone, and say what was loaded.

    Args:
        generator: the network.
        network: its backbone, and the file, or the folder of a run, whose best checkpoint is taken, or of a
            pre-training.
        bands: of the images.
        classes: names of the pixel classes, which have to be those of such a run; none: they are not compared.

    Returns:
        Whether they were ImageNet's, or those of a run that began with ImageNet's.

    Raises:
        OptionError: no such file, or a run of another backbone.
        DataError: anything of the backbone would not load, or the run or the pre-training has other bands or classes.
    """
    path = weights_path(network)
    if path is None:
        say(f"{network.backbone} starts from random weights")
        return False
    if network.restore_from is not None and Path(network.restore_from).is_dir() and path.name != FILE:
        return _go_on_from(generator, network, RunFolder(path.parent), path, bands, classes)
    file = read_weight_file(path)
    if is_generator_checkpoint(file.tensors):
        say(str(load_network(generator, path)))
        return False
    pretraining = pretraining_of(path, file)
    if pretraining is not None:
        pretraining.require_fit(path, network.backbone, bands, "backbone")
    say(str(load_backbone(generator.backbone, path, bands.names)))
    return pretraining is None


def weights_path(network: NetworkSettings) -> Path | None:
    """The file that a network starts from; None where it starts from random weights.

    Raises:
        SettingsError: the ImageNet file that is meant is not there, or a folder holds no weights.
    """
    source = network.restore_from
    if source is None and (default := default_weights(network.backbone)) is not None:
        if not default.is_file():
            raise SettingsError(
                "{}, the ImageNet weights of {}, is not there; fetch it (pretrained_models/README.md), name another "
                "file with {restore_from}, or train from scratch with {restore_from} none",
                default,
                network.backbone,
            )
        return default
    if source is None or source.lower() == "none":
        return None
    folder = Path(source)
    if not folder.is_dir():
        return folder
    if (folder / FILE).is_file():
        return folder / FILE
    run = RunFolder(folder)
    if run.best.is_file() or run.steps():
        return run.best if run.best.is_file() else run.network(run.steps()[-1])
    raise SettingsError("{restore_from} {} holds no checkpoint; give the folder of a training run", folder)


def origin_of_run(network: NetworkSettings, resumed: RunFolder | None = None) -> Origin | None:
    """The weights that a run starts or has started from. Several processes call it together.

    Args:
        network: of a run that begins.
        resumed: the folder of a run that goes on, whose record says it.

    Raises:
        OptionError, DataError: as of `origin_of`, or the record cannot be read.
    """
    if resumed is not None:
        return read_record(resumed.options).weights
    return distributed.from_main(lambda: origin_of(network))


def origin_of(network: NetworkSettings) -> Origin | None:
    """The weights that a network starts from, and what they have learned from; None of random ones.

    Raises:
        OptionError, DataError: as of `load_first_weights`.
    """
    path = weights_path(network)
    if path is None:
        return None
    run = RunFolder(path.parent)
    if not (run.options.is_file() and path.name != FILE and is_generator_checkpoint(read_state_dict(path))):
        return origin_of_file(path)
    before, seen = read_record(run.options).weights, tuple[SeenTiles, ...]()
    if run.labelled_names.is_file():
        names = read_bytes(run.labelled_names).decode("utf-8", "backslashreplace").splitlines()
        seen = (SeenTiles.of("masks", [name for name in names if name]),)
    return origin_of_file(path, seen + (before.seen if before else ()))


def _go_on_from(
    generator: DeepLabV2,
    network: NetworkSettings,
    run: RunFolder,
    checkpoint: Path,
    bands: Bands,
    classes: Sequence[str],
) -> bool:
    """Load the best checkpoint of a run, or where it has none its newest; whether the run began with ImageNet's."""
    record = read_record(run.options)
    if record.backbone != network.backbone:
        message = "{restore_from} {} is a run with {backbone} {}, and this one has {}; give the same one"
        raise SettingsError(message, run.path, record.backbone, network.backbone)
    for what, theirs, ours in (
        ("classes", record.classes, classes or record.classes),
        ("bands", record.bands.names, bands.names),
    ):
        if tuple(theirs) != tuple(ours):
            message = f"{{}} is a run with the {what} {{}}, and this data set has {{}}; start from other weights"
            raise DataError(worded(message, run.path, ", ".join(theirs), ", ".join(ours)))
    say(str(load_network(generator, checkpoint)))
    if checkpoint != run.best:
        say(f"{run.path} has no best.pth, as it was not validated: this is its newest checkpoint")
    return bool(record.imagenet_weights)
