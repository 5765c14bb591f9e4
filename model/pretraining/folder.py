"""The folder of a pre-training, and what it says of itself in `options.json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.errors import DataError
from utils.runs.files import read_json, write_json
from utils.runs.folder import EVENTS, refuse_other_options
from utils.runs.output import Kind, OutputFolder
from utils.settings import SettingsError
from utils.wording import worded

VERSION = 1
PRETRAINED = Kind(
    noun="a pre-training",
    option="save_dir",
    record="options.json",
    record_key="pretraining",
    files=rf"options\.json|(last|backbone)\.pth|metrics\.csv|neighbours\.json|(curves|views)\.png|{EVENTS}",
    worth=r"options\.json|(last|backbone)\.pth",
    folders=("tensorboard",),
    can_resume=True,
)
# Settings that may differ between a run and its resumption: where it runs, what it reports.
FREE_ON_RESUME = {
    "cache_dir", "cache_limit", "cuda", "device", "gpu", "log_every", "max_hours", "no_cache", "num_workers",
    "overwrite", "resume", "save_dir", "save_state_every",
}  # fmt: skip


class PretrainingFolder(OutputFolder):
    """`backbone.pth` for other commands, `last.pth` for resuming, `options.json`, `metrics.csv`, `neighbours.json`.

    Args:
        path: the folder; looking into it does not make it.
        settings: all settings of the run as a flat table; they are recorded, and compared when it is resumed.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        super().__init__(path, PRETRAINED)
        self.settings = dict(settings)
        self.weights, self.last = path / "backbone.pth", path / "last.pth"
        self.metrics, self.neighbours = path / "metrics.csv", path / "neighbours.json"

    def write_record(self, tiles: str, machine: Mapping[str, Any]) -> None:
        """Write `options.json`, with which a run begins.

        Args:
            tiles: digest of the names and images that are learned from.
            machine: where it runs.
        """
        record = {"version": VERSION, "pretraining": self.settings, "tiles": tiles, "machine": dict(machine)}
        write_json(self.record, record)

    def check_resumable(self, tiles: str) -> None:
        """Refuse to go on with a run that had other settings or tiles, or that has lost its state.

        Args:
            tiles: as of `write_record`.

        Raises:
            OptionError: there is none, or a setting differs that may not, or the state is not there.
            DataError: the tiles have changed.
        """
        if not self.record.is_file():
            raise SettingsError("{save_dir} {} holds no pre-training to resume; leave {resume} out", self.path)
        record = read_json(self.record)
        settings = record.get("pretraining")
        if not isinstance(settings, dict):
            raise DataError(worded("{} does not say the settings of a run; start over with {overwrite}", self.record))
        refuse_other_options(settings, self.settings, FREE_ON_RESUME, self.path, self.kind.option)
        if record.get("tiles") != tiles:
            raise DataError(
                worded(
                    "the tiles that {} learns from are not those that it began with; bring them back, or start over "
                    "with {overwrite}",
                    self.path,
                )
            )
        if self.weights.is_file() and not self.last.is_file():
            message = "{} is not there, so this run cannot go on exactly; restore it, or start over with {overwrite}"
            raise SettingsError(message, self.last)
