"""A trained segmentation network and what its run says of it: images in, maps out.

from model.trained import Trained
network = Trained.open("checkpoint")  # the folder of a run
ids = network.predict(image)          # uint8 RGB (H, W, 3) of any size -> class ids (H, W)
[network.classes[index] for index in np.unique(ids)]
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.networks.deeplabv2 import DeepLabV2
from model.networks.names import BACKBONES
from model.weights.loading import load_network, read_network
from utils.compute.device import choose_device, place
from utils.compute.precision import autocast, keep_convolutions_in, resolve_precision
from utils.errors import DataError, OptionError
from utils.evaluation.crf import refine_batch
from utils.evaluation.evaluate import BrokenMapsError
from utils.evaluation.settings import CRFSettings, WindowSettings
from utils.evaluation.windows import Classify, blended_strips
from utils.imagery.colours import RGB
from utils.imagery.images import network_input, normalise, to_unit_range
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import VALID
from utils.runs.folder import RunFolder
from utils.runs.record import RunRecord, read_record
from utils.runs.settings import MachineSettings
from utils.settings import SettingsError
from utils.wording import worded


class Trained:
    """The network that a run's record describes, for evaluation; `open` also loads its weights.

    Args:
        record: backbone, classes, colours and tile size.
        device: where it works: a device, or `auto`, `cuda` or `cpu`.
        precision: its number format: `auto`, `fp32`, `bf16` or `fp16`.

    Attributes:
        network: normalised images (B, bands, H, W) -> logits (B, C, H, W), in evaluation mode.
        checkpoint: the file that was loaded; None before.
    """

    def __init__(self, record: RunRecord, device: torch.device | str = "auto", precision: str = "auto") -> None:
        self.record, self.pixels = record, record.bands.pixels
        self.device = choose_device(MachineSettings(device)) if isinstance(device, str) else device
        self.precision = resolve_precision(precision, self.device)
        self.checkpoint: Path | None = None
        network = DeepLabV2(len(record.classes), record.backbone, self.pixels.bands).eval().requires_grad_(False)
        keep_convolutions_in(self.precision, network)
        self.network = place(network, self.device)

    @classmethod
    def open(
        cls,
        path: Path | str,
        backbone: str | None = None,
        device: torch.device | str = "auto",
        precision: str = "auto",
        record: RunRecord | None = None,
    ) -> "Trained":
        """Load the network of a run.

        Args:
            path: a run's folder: its best.pth, or else its newest checkpoint; or a checkpoint file.
            backbone: name of the backbone; None: as options.json says.
            device, precision: as of the class.
            record: what the network is, where no options.json lies beside the checkpoint.

        Raises:
            OptionError: there is no such file, or nobody says what network it is.
            DataError: options.json or the checkpoint is damaged, of another network, or its training has diverged.
        """
        checkpoint = find_checkpoint(Path(path))
        recorded = read_run(checkpoint.parent / "options.json", backbone) or record
        if recorded is None:
            raise OptionError(
                f"no options.json beside {checkpoint}, which says what network it is; copy it from the run's folder, "
                "or give `record`, a RunRecord of backbone, classes and colours"
            )
        trained = cls(recorded, device, precision)
        load_network(trained.network, checkpoint)
        trained.checkpoint = checkpoint
        return trained

    @property
    def classes(self) -> tuple[str, ...]:
        """Pixel classes in the order of their ids."""
        return self.record.classes

    @property
    def colours(self) -> tuple[RGB, ...]:
        """RGB of each class."""
        return self.record.colours

    @property
    def tile_size(self) -> tuple[int, int] | None:
        """Height and width of the training tiles in pixels; None where nobody says."""
        return self.record.tile_size

    # --- maps ---------------------------------------------------------------------------------------------------------

    def predict(
        self,
        images: np.ndarray,
        windows: WindowSettings | None = None,
        crf: CRFSettings | None = None,
        finished: Callable[[float], None] = lambda _: None,
    ) -> np.ndarray:
        """Likeliest classes.

        Args:
            images: as tiles are stored, uint8, shape (H, W, C) of any size, or several of one size, (N, H, W, C): RGB,
                or the run's bands after their ranges (`utils.imagery.ranges.to_uint8`), and where its set may lack data
                a last channel that is 255 where there are some. Their pixels show the ground as large as those of the
                training tiles.
            windows: how images larger than a window are read; None: windows of the tile size that overlap by half.
            crf: refine the probabilities of each window by the dense CRF; None: do not.
            finished: told after each strip how many images, or what part of them, it has finished.

        Returns:
            Class ids, uint8, shape (H, W) or (N, H, W); 255 where there are no data.

        Raises:
            OptionError: the array is no such image, or nobody says how large a window is.
            DataError: the network's output is not finite.
        """
        several = _several(images, self.pixels.channels)
        ids = np.empty(several.shape[:3], np.uint8)
        for top, probabilities in self._strips(several, windows or WindowSettings(), crf):
            rows = probabilities.shape[2]
            ids[:, top : top + rows] = probabilities.argmax(dim=1).cpu().numpy()
            finished(len(several) * rows / several.shape[1])
        if self.pixels.has_validity:
            ids[several[..., -1] != VALID] = IGNORE_INDEX
        return ids[0] if images.ndim == 3 else ids

    def probabilities(
        self, images: np.ndarray, windows: WindowSettings | None = None, crf: CRFSettings | None = None
    ) -> np.ndarray:
        """Class probabilities, in [0, 1]; float32, shape (C, H, W) or (N, C, H, W). Arguments as of `predict`."""
        several = _several(images, self.pixels.channels)
        strips = [strip.cpu().numpy() for _, strip in self._strips(several, windows or WindowSettings(), crf)]
        maps = np.concatenate(strips, axis=2)
        return maps[0] if images.ndim == 3 else maps

    def window(self, windows: WindowSettings) -> tuple[int, int]:
        """Height and width that the network sees at once.

        Raises:
            SettingsError: neither the settings nor the run say.
        """
        size = windows.input_size or self.tile_size
        if size is None:
            raise SettingsError(
                "nothing beside {} says how large its training tiles were; give {input_size}", self.checkpoint
            )
        return size

    @torch.inference_mode()
    def _strips(
        self, images: np.ndarray, windows: WindowSettings, crf: CRFSettings | None
    ) -> Iterator[tuple[int, Tensor]]:
        """First rows of strips, and their finite probabilities (N, C, rows, W), from top to bottom."""
        batch = torch.from_numpy(images).permute(0, 3, 1, 2)
        classify = self._classifier(windows.flip, crf)
        for top, strip in blended_strips(batch, classify, self.window(windows), windows.overlap, windows.batch_size):
            if not torch.isfinite(strip).all():
                raise BrokenMapsError
            yield top, strip

    def _classifier(self, flip: bool, crf: CRFSettings | None) -> Classify:
        """From uint8 images (B, C, H, W) to class probabilities, float32; refined ones are on the CPU."""

        def plain(images: Tensor) -> Tensor:
            inputs = self._inputs(images)
            with autocast(self.precision, self.device):
                logits = self.network(inputs)
            return logits.float().softmax(dim=1)

        def averaged(images: Tensor) -> Tensor:
            return (plain(images) + plain(images.flip(3)).flip(3)) / 2 if flip else plain(images)

        if crf is None:
            return averaged
        return lambda images: refine_batch(averaged(images), self.shown(images), crf)

    def _inputs(self, images: Tensor) -> Tensor:
        """Normalised bands, float32, (B, bands, H, W), on the device; 0 where there are no data."""
        if not self.pixels.has_validity:
            return normalise(to_unit_range(images, self.device), None, self.pixels)
        sizes = torch.tensor([images.shape[2:]] * len(images))
        return network_input(images, sizes, self.device, self.pixels)

    def shown(self, images: Tensor) -> Tensor:
        """The bands of stored images that pictures show as red, green and blue, uint8 (B, 3, H, W)."""
        display = self.record.bands.display
        if display == (0, 1, 2) and images.shape[1] == 3:
            return images
        return images[:, list(display) if len(display) == 3 else list(display) * 3]

    # --- other checkpoints of the run ---------------------------------------------------------------------------------

    def read(self, checkpoint: Path) -> dict[str, Tensor]:
        """The weights in a checkpoint that fits this network, which another thread may be using meanwhile.

        Raises:
            DataError, OptionError: the file cannot be used.
        """
        return read_network(self.network, checkpoint)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Put weights that `read` gave into the network."""
        self.network.load_state_dict(weights)


def require_classes(record: RunRecord, classes: Sequence[str], source: Path) -> None:
    """Refuse a data set with other classes than a network's.

    Args:
        record: of the network.
        classes: of the data set.
        source: where the record is from, for the message.

    Raises:
        OptionError: names the classes that the network does not have.
    """
    if list(classes) == list(record.classes):
        return
    unknown = [f"'{name}' (id {index})" for index, name in enumerate(classes) if name not in record.classes]
    found = f"the network has no {', '.join(unknown[:3])}" if unknown else "their order or number differs"
    raise OptionError(
        f"the {len(record.classes)} classes in {source} differ from the data set's {len(classes)}: {found}; give the "
        "data set that the run was trained on"
    )


def _several(images: np.ndarray, channels: int) -> np.ndarray:
    """Images as uint8 (N, H, W, channels) that torch can take as they are.

    Raises:
        OptionError: the array is of another kind.
    """
    if not isinstance(images, np.ndarray):
        kind = type(images).__name__
        raise OptionError(f"images are of type {kind}, expected a NumPy array; np.asarray makes one of an image")
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] != channels or not images.size:
        found = f"{images.dtype} of shape {images.shape}"
        kind = "uint8 RGB" if channels == 3 else "uint8"
        shapes = f"(H, W, {channels}) or (N, H, W, {channels})"
        raise OptionError(f"images are {found}, expected {kind} of shape {shapes}")
    several = images[None] if images.ndim == 3 else images
    return np.require(several, requirements=["C", "W"])


def find_checkpoint(path: Path) -> Path:
    """A checkpoint file, or of a run's folder its best.pth, or else its newest checkpoint.

    Raises:
        OptionError: there is none.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise OptionError(f"{path} is not there; give the folder of a training run, or a checkpoint file")
    folder = RunFolder(path)
    if folder.best.is_file():
        return folder.best
    if not (steps := folder.steps()):
        raise SettingsError(
            "{} holds neither best.pth nor a checkpoint<step>.pth; give the folder of a training run, or {checkpoint} "
            "with a file",
            path,
        )
    return folder.network(steps[-1])


def checkpoint_of(given: Path | None, run_dir: Path) -> Path:
    """The checkpoint that the fields `checkpoint` and `checkpoint_dir` of settings mean.

    Args:
        given: the file; None: of the run, as `find_checkpoint` says.
        run_dir: the run's folder.

    Raises:
        SettingsError: there is no such file or folder, or the folder holds no checkpoint.
    """
    if given is not None and not given.is_file():
        raise SettingsError("{checkpoint} {} is no file; give a checkpoint<step>.pth or best.pth", given)
    if given is None and not run_dir.is_dir():
        raise SettingsError(
            "{checkpoint_dir} {} is not a folder; give the folder of a training run, or {checkpoint} with a file",
            run_dir,
        )
    return find_checkpoint(given or run_dir)


def read_run(options: Path, backbone: str | None = None) -> RunRecord | None:
    """What an options.json says of a network; None where there is none.

    Args:
        options: the file.
        backbone: name that goes before that of the file.

    Raises:
        DataError: the file is damaged, or its backbone is not known.
    """
    if not options.is_file():
        return None
    record = read_record(options)
    name = backbone or record.backbone
    if name not in BACKBONES:
        message = "{} names the backbone {}, known are {}; give {backbone}"
        raise DataError(worded(message, options, repr(name), ", ".join(BACKBONES)))
    return replace(record, backbone=name)
