"""The jobs of a trained network: evaluation, maps, an ONNX file."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from data.maps.settings import MapOutputs
from data.settings import DataSettings, MapSourceSettings
from model.networks.names import BACKBONES
from utils.evaluation.settings import CRFSettings, RangeSettings, ViewSettings, WindowSettings
from utils.fields import as_counts, as_one_of, as_paths, as_size, check_numbers, known_name
from utils.runs.settings import MachineSettings
from utils.settings import require


@dataclass(frozen=True)
class EvaluationSettings:
    """Comparing the checkpoints of a run: `tools/auto_evaluate.py`.

    Attributes:
        data: the data set and the list that the checkpoint is chosen on.
        test_list: tiles that only the chosen checkpoint is scored on; None: none.
        ignore_label: mask id that is not scored, beside 255; None: that of the run.
        input_size: height and width in pixels of the largest window, which smaller tiles are padded to; None: as in
            training, else 320×320.
        eval_size: score at `tile` size, or on the grid of each mask `file`.
        batch_size: tiles of a batch, or windows of tiles that are larger than a window; None: by their size, up to 4 on
            a CPU and 16 on a GPU.
        range: the checkpoints.
        views: of each tile.
        resamples: of the bootstrap, for intervals.
        no_calibration: leave out one more pass over each list with the chosen checkpoint, which measures its
            confidence, fits its temperature and pictures a scene.
        crf: also score maps refined by a dense CRF; None: do not.
        machine: where it runs.
        save_dir: folder of results.
        overwrite: replace earlier results.
    """

    data: DataSettings
    test_list: Path | None = None
    ignore_label: int | None = None
    input_size: tuple[int, int] | None = None
    eval_size: str = "tile"
    batch_size: int | None = None
    range: RangeSettings = field(default_factory=RangeSettings)
    views: ViewSettings = field(default_factory=ViewSettings)
    resamples: int = 1000
    no_calibration: bool = False
    crf: CRFSettings | None = None
    machine: MachineSettings = field(default_factory=MachineSettings)
    save_dir: Path = Path("results")
    overwrite: bool = False

    def __post_init__(self) -> None:
        as_paths(self, "test_list", "save_dir")
        as_counts(self, "ignore_label", least=0)
        label = self.ignore_label
        require(label is None or label <= 255, "{ignore_label} is {}, expected an id of 0 to 255", label)
        as_size(self, "input_size")
        require(self.eval_size in ("tile", "file"), "{eval_size} is '{}', expected tile or file", self.eval_size)
        as_counts(self, "resamples", least=100)
        as_counts(self, "batch_size")
        if self.range.backbone is not None:
            known_name(self.range.backbone, "backbone", tuple(BACKBONES))


@dataclass(frozen=True)
class PredictionSettings:
    """Making maps: `tools/predict.py`.

    Attributes:
        source: the images.
        checkpoint: the network's file; None: of `checkpoint_dir`, best.pth or else the newest.
        checkpoint_dir: folder of a run.
        backbone: of the generator; None: as the run says.
        windows: how large images are read.
        crf: refine each window by a dense CRF; None: do not.
        machine: where it runs.
        outputs: what is written beside class ids.
        save_dir: folder of the maps.
        overwrite: replace an earlier prediction.
    """

    source: MapSourceSettings
    checkpoint: Path | None = None
    checkpoint_dir: Path = Path("checkpoint")
    backbone: str | None = None
    windows: WindowSettings = field(default_factory=WindowSettings)
    crf: CRFSettings | None = None
    machine: MachineSettings = field(default_factory=MachineSettings)
    outputs: MapOutputs = field(default_factory=MapOutputs)
    save_dir: Path = Path("predictions")
    overwrite: bool = False

    def __post_init__(self) -> None:
        as_paths(self, "checkpoint", "checkpoint_dir", "save_dir")
        as_one_of(self, "backbone", "backbone", tuple(BACKBONES))
        area, polygons = self.source.aoi, self.outputs.polygons
        is_same = area is not None and polygons is not None and os.path.realpath(area) == os.path.realpath(polygons)
        require(not is_same, "{polygons} {} is the file of {aoi}; give another name", polygons)


@dataclass(frozen=True)
class ExportSettings:
    """Writing a network as an ONNX file: `tools/export.py`.

    Attributes:
        out: the file; its name ends in .onnx.
        checkpoint: the network's file; None: of `checkpoint_dir`, best.pth or else the newest.
        checkpoint_dir: folder of a run.
        backbone: of the generator; None: as the run says.
        tile_size: height and width of the input in pixels; None: those of the run's crops, else of its tiles.
        tiles_overlap: percent of a tile that the next one covers, for QGIS Deepness.
        batch: how many tiles the network takes at once: `dynamic` or `1`.
        metres_per_pixel: ground size of a pixel; None: as the run says.
        check_image: a scene in whose middle the file is also checked; None: on random values alone.
        overwrite: replace the file.
    """

    out: Path
    checkpoint: Path | None = None
    checkpoint_dir: Path = Path("checkpoint")
    backbone: str | None = None
    tile_size: int | None = None
    tiles_overlap: int = 25
    batch: str = "dynamic"
    metres_per_pixel: float | None = None
    check_image: Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        as_paths(self, "out", "checkpoint", "checkpoint_dir", "check_image")
        require(self.out.suffix.lower() == ".onnx", "{out} is {}, expected a name that ends in .onnx", self.out)
        as_one_of(self, "backbone", "backbone", tuple(BACKBONES))
        as_counts(self, "tile_size", least=16)
        as_counts(self, "tiles_overlap", least=0)
        require(self.tiles_overlap <= 90, "{tiles_overlap} is {}, expected a percentage of 0 to 90", self.tiles_overlap)
        require(self.batch in ("dynamic", "1"), "{batch} is {}, expected 'dynamic' or '1'", repr(self.batch))
        check_numbers(self, "metres_per_pixel", above=True)
