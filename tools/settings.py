"""The jobs that the commands do, each as one frozen dataclass made of the settings of its parts.

    from tools import TrainingSettings, train
    train(TrainingSettings(DataSettings("ucm", folder, f"{folder}/train.txt"), S4GANSettings(200, threshold_st=0.6)))

Fields are called as the commands' options, with underscores. A part may be used by several jobs; where options of a
command are checked against one another, it is done here, so that Python users are told the same.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from data.labelling.settings import LabelSetSettings, SourceSettings, TargetSettings
from data.maps.settings import MapOutputs
from data.settings import AugmentationSettings, DataSettings, LabelledSettings, MapSourceSettings, SampleSettings
from model.methods import method_name
from model.methods.settings import MethodSettings
from model.networks.names import BACKBONES
from model.pretraining.settings import TaskSettings
from model.settings import LearnerSettings, NetworkSettings
from utils.evaluation.settings import CRFSettings, RangeSettings, ViewSettings, WindowSettings
from utils.fields import as_counts, as_one_of, as_paths, as_size, as_text, check_numbers, known_name
from utils.runs.settings import FolderSettings, KeepingSettings, MachineSettings
from utils.selection.settings import QuerySettings
from utils.settings import require


@dataclass(frozen=True)
class TrainingSettings:
    """Training a segmentation network: `tools/train_s4gan.py`.

    Attributes:
        data: the data set and the list of all its training tiles.
        method: what the training method is told, and by its `name` which one is meant.
        val_list: tiles with masks to validate on; None: no validation.
        val_batch_size: of them in a batch, or windows of tiles that are larger than a window; None: of no more pixels
            than a training batch has.
        samples: crops and batches.
        labelled: which tiles are labelled.
        network: the networks and their first weights.
        machine: where it runs.
        keeping: what is written, and when.
        folder: what becomes of an earlier run.
    """

    data: DataSettings
    method: MethodSettings
    val_list: Path | None = None
    val_batch_size: int | None = None
    samples: SampleSettings = field(default_factory=SampleSettings)
    labelled: LabelledSettings = field(default_factory=LabelledSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    machine: MachineSettings = field(default_factory=lambda: MachineSettings(random_seed=5000))
    keeping: KeepingSettings = field(default_factory=KeepingSettings)
    folder: FolderSettings = field(default_factory=FolderSettings)

    def __post_init__(self) -> None:
        as_paths(self, "val_list")
        as_counts(self, "val_batch_size")
        parts, batch = self.method.accumulate, self.samples.batch_size
        require(batch % parts == 0, "{accumulate} {} does not divide {batch_size} {}", parts, batch)
        name = method_name(self.method)  # refuses an unknown one
        require(
            self.method.has_discriminator or self.network.restore_from_D is None,
            f"{{restore_from_D}}: the method {name} has no discriminator; leave it out",
        )
        self.method.check_save_viz(self.keeping.save_viz)


@dataclass(frozen=True)
class LabelSourceSettings:
    """Where scene labels come from.

    Attributes:
        oracle: `dataset`: its labels; `people`: what they write into to_label.csv; or a CSV with the columns
            name,label; None: the data set where it has labels, else people.
        scene_classes: names of the scene classes, where the data set names none.
        skip_bad_images: leave out tiles that cannot be read.
        already_labelled: tiles that are neither asked for nor forgotten: `masks`, all that have one, or a file of
            names; `none` or None: none.
        dominant_share: share of a mask's pixels in (0, 1) above which its class is the scene class of such a tile,
            where no other is known; None: 0.5.
    """

    oracle: str | None = None
    scene_classes: tuple[str, ...] | None = None
    skip_bad_images: bool = False
    already_labelled: str | None = None
    dominant_share: float | None = None

    def __post_init__(self) -> None:
        as_text(self, "oracle", "already_labelled")
        if (self.already_labelled or "").lower() in ("none", "masks"):
            word = (self.already_labelled or "").lower()
            object.__setattr__(self, "already_labelled", None if word == "none" else word)  # frozen, and not made yet
        check_numbers(self, "dominant_share", above=True, high=1)
        require(
            self.dominant_share is None or self.already_labelled is not None,
            "{dominant_share} is used with {already_labelled} only; add it, or leave the share out",
        )
        names = self.scene_classes
        require(
            names is None or (len(names) >= 2 and "" not in names and len(set(names)) == len(names)),
            "{scene_classes} is {}, expected two different names or more",
            ",".join(names or ()),
        )


@dataclass(frozen=True)
class SelectionSettings:
    """Choosing tiles to draw masks for: `tools/train_AL.py`.

    Attributes:
        data: the data set and the list to choose from.
        val_list: tiles with scene labels to measure the accuracy on; None: none.
        query: how many tiles, and how they are chosen.
        labels: where scene labels come from.
        learner: the classifier.
        samples: size and batches of what it is fitted on.
        machine: where it runs.
        save_dir: folder of results.
        folder: what becomes of an earlier run.
    """

    data: DataSettings
    val_list: Path | None = None
    query: QuerySettings = field(default_factory=QuerySettings)
    labels: LabelSourceSettings = field(default_factory=LabelSourceSettings)
    learner: LearnerSettings = field(default_factory=LearnerSettings)
    samples: SampleSettings = field(default_factory=lambda: SampleSettings(batch_size=4))
    machine: MachineSettings = field(default_factory=lambda: MachineSettings(random_seed=360))
    save_dir: Path = Path("active_learning")
    folder: FolderSettings = field(default_factory=FolderSettings)

    def __post_init__(self) -> None:
        as_paths(self, "val_list", "save_dir")
        require(
            self.query.stop_at_accuracy is None or self.val_list is not None,
            "{stop_at_accuracy} needs {val_list}, the tiles that the accuracy is measured on",
        )
        require(
            self.query.features == "classifier" or self.learner.has_weights,
            "{features} {} needs weights that know something: give {classifier_weights} imagenet, or a file such as "
            "tools/pretrain.py writes",
            self.query.features,
        )


@dataclass(frozen=True)
class PretrainingSettings:
    """Pre-training a backbone without masks: `tools/pretrain.py`.

    Attributes:
        data: the data set and the list of tiles to learn from.
        learning: what is learned, by which backbone, and how long.
        views: of the tiles.
        val_list: tiles with scene labels to measure the features on; None: a fifth of the labelled tiles of the list.
        scene_labels: CSV with the columns name,label; None: the labels of the data set.
        scene_classes: names of the scene classes, where the data set names none.
        skip_bad_images: leave out tiles that cannot be read.
        machine: where it runs.
        max_hours: save and end after this time; None: no limit.
        save_dir: folder of results.
        save_state_every: steps between weights and states to resume from.
        log_every: steps between lines of metrics.csv.
        folder: what becomes of an earlier run.
    """

    data: DataSettings
    learning: TaskSettings = field(default_factory=TaskSettings)
    views: AugmentationSettings = field(default_factory=AugmentationSettings)
    val_list: Path | None = None
    scene_labels: Path | None = None
    scene_classes: tuple[str, ...] | None = None
    skip_bad_images: bool = False
    machine: MachineSettings = field(default_factory=MachineSettings)
    max_hours: float | None = None
    save_dir: Path = Path("pretrained")
    save_state_every: int = 500
    log_every: int = 10
    folder: FolderSettings = field(default_factory=FolderSettings)

    def __post_init__(self) -> None:
        as_paths(self, "val_list", "scene_labels", "save_dir")
        as_counts(self, "save_state_every", "log_every")
        check_numbers(self, "max_hours", above=True)


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


@dataclass(frozen=True)
class CacheReportSettings:
    """Looking at what is kept of decoded tiles: `tools/prepare_data.py cache`.

    Attributes:
        data_dir: the data set's folder.
        cache_dir: the cache folder; None: those that commands choose from.
        clear: remove what no living process uses.
    """

    data_dir: Path
    cache_dir: Path | None = None
    clear: bool = False


@dataclass(frozen=True)
class CheckSettings:
    """Looking for mistakes before a run: `tools/prepare_data.py check`.

    Attributes:
        data: the data set and the list of training tiles.
        test_list, val_list: tiles that are scored in the end, and that choose between checkpoints.
        active_learning_images_array: names that the active learner chose, `.npy` or text.
        input_size: height and width that smaller tiles are padded to in evaluation.
        backbone, restore_from: as of `NetworkSettings`.
        checkpoint_dir: where checkpoints would be saved.
        machine: where a run would work.
        out: picture of one tile, its mask and its classes.
        json: print the findings as JSON.
    """

    data: DataSettings
    test_list: Path | None = None
    val_list: Path | None = None
    active_learning_images_array: Path | None = None
    input_size: tuple[int, int] = (320, 320)
    backbone: str = "resnet101"
    restore_from: str | None = None
    checkpoint_dir: Path = Path("checkpoint")
    machine: MachineSettings = field(default_factory=MachineSettings)
    out: Path = Path("check.png")
    json: bool = False

    def __post_init__(self) -> None:
        as_paths(self, "test_list", "val_list", "active_learning_images_array", "checkpoint_dir", "out")
        as_text(self, "restore_from")
        as_one_of(self, "backbone", "backbone", tuple(BACKBONES))
        as_size(self, "input_size")


@dataclass(frozen=True)
class LabelExportSettings:
    """Giving tiles to a labelling tool: `tools/label.py export`.

    Attributes:
        data: the data set.
        export: which tiles, and the tool.
        checkpoint_dir: a run's folder, or a checkpoint in it, whose maps people begin with; None: they begin with
            nothing.
        machine: where these maps are made.
    """

    data: LabelSetSettings
    export: TargetSettings
    checkpoint_dir: Path | None = None
    machine: MachineSettings = field(default_factory=MachineSettings)

    def __post_init__(self) -> None:
        as_paths(self, "checkpoint_dir")
        require(
            self.checkpoint_dir is not None or not self.export.draft_scored,
            "{draft_scored} is about drafts of a model; add {checkpoint_dir}, or leave it out",
        )


@dataclass(frozen=True)
class LabelImportSettings:
    """Putting what was drawn into a data set: `tools/label.py import`.

    Attributes:
        data: the data set.
        source: what the tool wrote, and how it is read.
    """

    data: LabelSetSettings
    source: SourceSettings


@dataclass(frozen=True)
class LabelStatusSettings:
    """How far labelling has come: `tools/label.py status`.

    Attributes:
        data: the data set.
        names: chosen tiles, beside those that were exported; None: those alone.
    """

    data: LabelSetSettings
    names: Path | None = None

    def __post_init__(self) -> None:
        as_paths(self, "names")
