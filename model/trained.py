"""A trained segmentation network and what its run says of it: images in, maps out.

from model.trained import Trained
network = Trained.open("checkpoint")  # the folder of a run
ids = network.predict(image)          # uint8 RGB (H, W, 3) of any size -> class ids (H, W)
[network.classes[index] for index in np.unique(ids)]
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.networks.deeplabv2 import DeepLabV2
from model.run_files import find_checkpoint, read_run
from model.weights.loading import load_network, read_network
from model.window_maps import Keep, WindowMaps, window_classifier
from utils.compute.device import choose_device, place
from utils.compute.precision import keep_convolutions_in, resolve_precision
from utils.errors import OptionError
from utils.evaluation.crf.mean_field import refine_batch
from utils.evaluation.settings import CRFSettings, WindowSettings
from utils.evaluation.windows import (
    MOST_AT_ONCE,
    PIXELS_AT_ONCE,
    ReadableImage,
    WindowPlan,
    Windows,
    largest_window,
)
from utils.imagery.colours import RGB
from utils.imagery.labels import IGNORE_INDEX
from utils.imagery.pixels import VALID
from utils.runs.record import RunRecord
from utils.runs.settings import MachineSettings
from utils.settings import SettingsError


def _unchanged(maps: Tensor) -> Tensor:
    return maps


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

    @torch.inference_mode()
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
            windows: how images larger than a window are read; None: by the defaults of `WindowSettings`.
            crf: refine the probabilities of each window by the dense CRF; None: do not.
            finished: told after each strip how many images, or what part of them, it has finished.

        Returns:
            Class ids, uint8, shape (H, W) or (N, H, W); 255 where there are no data.

        Raises:
            OptionError: the array is no such image, or nobody says how large a window is.
            DataError: the network's output is not finite.
        """
        several, settings = _several(images, self.pixels.channels), windows or WindowSettings()
        ids = np.empty(several.shape[:3], np.uint8)
        for first, top, strip in self._maps(settings, crf, _likeliest, for_ids=True).strips_of_several(several):
            ids[first : first + len(strip), top : top + strip.shape[1]] = strip.cpu().numpy()
            finished(len(strip) * strip.shape[1] / several.shape[1])
        if self.pixels.has_validity:
            ids[several[..., -1] != VALID] = IGNORE_INDEX
        return ids[0] if images.ndim == 3 else ids

    @torch.inference_mode()
    def probabilities(
        self, images: np.ndarray, windows: WindowSettings | None = None, crf: CRFSettings | None = None
    ) -> np.ndarray:
        """Class probabilities, in [0, 1]; float32, shape (C, H, W) or (N, C, H, W). Arguments as of `predict`."""
        several, settings = _several(images, self.pixels.channels), windows or WindowSettings()
        maps = np.empty((len(several), len(self.classes), *several.shape[1:3]), np.float32)
        for first, top, strip in self._maps(settings, crf).strips_of_several(several):
            maps[first : first + len(strip), :, top : top + strip.shape[2]] = strip.cpu().numpy()
        return maps[0] if images.ndim == 3 else maps

    @torch.inference_mode()
    def strips(
        self,
        image: ReadableImage,
        windows: WindowSettings | None = None,
        crf: CRFSettings | None = None,
        rows: Sequence[int] | None = None,
        keep: Keep = _unchanged,
    ) -> Generator[tuple[int, Tensor], None, None]:
        """Class probabilities of an image of any size, a row of windows at a time, from top to bottom.

        They are 0 where the image has nothing to show for a window.

        Of the probabilities, a row of windows is in memory, 4·C bytes a pixel; of the image, the windows of two
        batches. A thread reads the next windows while the network works.

        Args:
            image: what is read; C channels as of `predict`.
            windows, crf: as of `predict`.
            rows: numbers of the rows of `plan` that are wanted, so that processes can share an image; None: all.
            keep: what is kept of the probabilities of a window, (C, rows, columns) -> (..., rows, columns), such as
                their largest.

        Yields:
            First row of a strip, and what is kept of its probabilities, by default all: float32, shape (C, rows, W), on
            the network's device. Strips tile the image.

        Raises:
            OptionError: nobody says how large a window is.
            DataError: the network's output is not finite.
        """
        yield from self._maps(windows or WindowSettings(), crf, keep).strips(image, rows)

    @torch.inference_mode()
    def classified(
        self, images: np.ndarray, windows: WindowSettings | None = None, crf: CRFSettings | None = None
    ) -> Iterator[Tensor]:
        """Class probabilities of images one after the other, float32, shape (C, H, W), on the network's device.

        Arguments and errors as of `predict`.
        """
        maps = self._maps(windows or WindowSettings(), crf)
        parts = maps.strips_of_several(_several(images, self.pixels.channels))
        for _, strips in groupby(parts, lambda part: part[0]):
            yield from torch.cat([strip for _, _, strip in strips], dim=2)

    def at_once(self, size: tuple[int, int], windows: WindowSettings | None = None) -> int:
        """How many images of a height and width make a batch; one where it is read in windows, which make their own."""
        return self._windows(windows or WindowSettings()).tiles_at_once(size)

    def plan(self, size: tuple[int, int], windows: WindowSettings | None = None) -> WindowPlan:
        """The windows of an image of a height and width."""
        return self._windows(windows or WindowSettings()).plan(size)

    def window(self, windows: WindowSettings) -> tuple[int, int]:
        """Height and width of the largest window that the network sees at once.

        Raises:
            SettingsError: neither the settings nor the run say.
        """
        size = windows.input_size or largest_window(self.record.crop, self.tile_size)
        if size is None:
            raise SettingsError(
                "nothing beside {} says how large its training tiles were; give {input_size}", self.checkpoint
            )
        return size

    def _windows(self, settings: WindowSettings) -> Windows:
        """How this network reads images: those smaller than its training crops are padded to them, as in training."""
        largest, crop = self.window(settings), self.record.crop or (0, 0)
        least = (min(crop[0], largest[0]), min(crop[1], largest[1]))
        at_once = (settings.batch_size, PIXELS_AT_ONCE[self.device.type], MOST_AT_ONCE[self.device.type])
        return Windows(largest, least, settings.overlap, *at_once)

    def _maps(
        self, settings: WindowSettings, crf: CRFSettings | None, keep: Keep = _unchanged, for_ids: bool = False
    ) -> WindowMaps:
        """What makes maps; `for_ids`: what is kept of them is the likeliest classes."""
        refine = None if crf is None else partial(self._refined, crf=crf)
        classify = window_classifier(
            self.network, self.device, self.precision, self.pixels, settings.flip, refine, for_ids
        )
        blank = torch.zeros(len(self.classes), device=self.device)
        return WindowMaps(self._windows(settings), classify, blank, keep)

    def _refined(self, maps: Tensor, images: Tensor, crf: CRFSettings) -> Tensor:
        return refine_batch(maps, self.shown(images), crf)

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


def _likeliest(maps: Tensor) -> Tensor:
    """Ids of the likeliest classes, uint8 (rows, columns), of maps (C, rows, columns)."""
    return maps.argmax(dim=0).to(torch.uint8)


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
