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
from utils.settings import SettingsError


def load_first_weights(generator: DeepLabV2, network: NetworkSettings, bands: Sequence[str] = RGB) -> bool:
    """Load the weights that settings name into a generator of their backbone, and say what was loaded.

    Args:
        generator: the network.
        network: its backbone, and the file.
        bands: names of the images' bands, as of `load_backbone`.

    Returns:
        Whether they were ImageNet's.

    Raises:
        OptionError: no such file.
        DataError: anything of the backbone would not load.
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
    if is_generator_checkpoint(read_state_dict(source)):
        say(str(load_network(generator, Path(source))))
        return False
    say(str(load_backbone(generator.backbone, Path(source), bands)))
    return True
