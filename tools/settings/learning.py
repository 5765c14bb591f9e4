"""The jobs that learn: training for maps, choosing tiles, pre-training."""

from dataclasses import dataclass, field
from pathlib import Path

from data.settings import AugmentationSettings, DataSettings, LabelledSettings, SampleSettings
from model.methods import method_name
from model.methods.settings import MethodSettings
from model.pretraining.settings import TaskSettings
from model.settings import LearnerSettings, NetworkSettings
from utils.fields import as_counts, as_paths, as_text, check_numbers
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

    @property
    def needs_scene_labels(self) -> bool:
        """Whether a classifier has to learn: to choose, for its accuracy, or because it is said who knows the labels.

        Where it does not, it learns from the labels that the data set has, if any, and people are not asked.
        """
        return self.query.learns or self.val_list is not None or self.labels.oracle is not None


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
