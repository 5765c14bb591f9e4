"""The weights that a network starts training from."""

from collections.abc import Sequence
from pathlib import Path

from model.networks.bands import RGB
from model.networks.deeplabv2 import DeepLabV2
from model.settings import NetworkSettings
from model.weights.defaults import default_weights
from model.weights.files import read_state_dict
from model.weights.loading import is_generator_checkpoint, load_backbone, load_network
from utils.console import say
from utils.errors import DataError
from utils.runs.folder import RunFolder
from utils.runs.record import read_record
from utils.settings import SettingsError
from utils.wording import worded


def load_first_weights(
    generator: DeepLabV2, network: NetworkSettings, bands: Sequence[str] = RGB, classes: Sequence[str] = ()
) -> bool:
    """Load the weights that settings name into a generator of their backbone, and say what was loaded.

    Args:
        generator: the network.
        network: its backbone, and the file, or the folder of a run, whose best checkpoint is taken.
        bands: names of the images' bands, as of `load_backbone`.
        classes: names of the pixel classes, which have to be those of such a run; none: they are not compared.

    Returns:
        Whether they were ImageNet's, or those of a run that began with ImageNet's.

    Raises:
        OptionError: no such file, or a run of another backbone.
        DataError: anything of the backbone would not load, or the run has other bands or classes.
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
        source = str(default)
    if source is None or source.lower() == "none":
        say(f"{network.backbone} starts from random weights")
        return False
    if Path(source).is_dir():
        return _go_on_from(generator, network, RunFolder(Path(source)), bands, classes)
    if is_generator_checkpoint(read_state_dict(source)):
        say(str(load_network(generator, Path(source))))
        return False
    say(str(load_backbone(generator.backbone, Path(source), bands)))
    return True


def _go_on_from(
    generator: DeepLabV2, network: NetworkSettings, run: RunFolder, bands: Sequence[str], classes: Sequence[str]
) -> bool:
    """Load the best checkpoint of a run, or where it has none its newest; whether the run began with ImageNet's."""
    steps = run.steps()
    if not run.best.is_file() and not steps:
        raise SettingsError("{restore_from} {} holds no checkpoint; give the folder of a training run", run.path)
    record = read_record(run.options)
    if record.backbone != network.backbone:
        message = "{restore_from} {} is a run with {backbone} {}, and this one has {}; give the same one"
        raise SettingsError(message, run.path, record.backbone, network.backbone)
    for what, theirs, ours in (
        ("classes", record.classes, classes or record.classes),
        ("bands", record.bands.names, bands),
    ):
        if tuple(theirs) != tuple(ours):
            message = f"{{}} is a run with the {what} {{}}, and this data set has {{}}; start from other weights"
            raise DataError(worded(message, run.path, ", ".join(theirs), ", ".join(ours)))
    checkpoint = run.best if run.best.is_file() else run.network(steps[-1])
    say(str(load_network(generator, checkpoint)))
    if checkpoint != run.best:
        say(f"{run.path} has no best.pth, as it was not validated: this is its newest checkpoint")
    return bool(record.imagenet_weights)
