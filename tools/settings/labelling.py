"""The jobs of tools/label.py: tiles out, masks in, how far it has come."""

from dataclasses import dataclass, field
from pathlib import Path

from data.labelling.settings import LabelSetSettings, SourceSettings, TargetSettings
from utils.fields import as_paths
from utils.runs.settings import MachineSettings
from utils.settings import require


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
