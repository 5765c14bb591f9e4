"""The folder of a run of the active learner, and the two arrays of names and probabilities that it publishes."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.console import say
from utils.errors import DataError
from utils.runs.files import read_json, save_array, storage_errors, write_json, write_names
from utils.runs.folder import EVENTS, refuse_other_options
from utils.runs.output import Kind, OutputFolder
from utils.selection.names import PARTIAL
from utils.selection.settings import QuerySettings
from utils.settings import SettingsError
from utils.suggest import first_names
from utils.wording import worded

WEIGHTS_DIGEST = "classifier_weights_sha256"  # the key of options.json
LEARNS_NOTHING = "learns_nothing"  # likewise, of a run that needs no scene labels and has none
SELECTION = Kind(
    noun="a run",
    option="save_dir",
    record="options.json",
    record_key="query_strategy",
    files=r"(options|selection)\.json|(list|selected)\.txt|state\.pth|metrics\.csv|(histogram|learning_curve)\.png"
    rf"|(chosen|to_label)(_\d+)?\.png|to_label\.html|.+_(names|probs)_.+{re.escape(PARTIAL)}\.npy|{EVENTS}"
    r"|\.?tiles\.gpkg(\..+)?",  # and what a process leaves that is killed while it writes it
    worth=r"options\.json|state\.pth|selection\.json|selected\.txt",
    folders=("tensorboard",),
    people=r"to_label\.csv",
    can_resume=True,
)


class SelectionFolder(OutputFolder):
    """The files of one run.

    Args:
        save_dir: the folder of all results.
        dataset: the data set's name, as the folder below it is called.
        query: how tiles are chosen; it names the run's folder and the arrays.
        seed: of the run.
        settings: all settings of the run as a flat table; they are recorded, and compared when it is resumed.

    Attributes:
        names, probabilities: the published arrays, `.npy`: chosen names and the probabilities of their likeliest
            classes.
        partial_names, partial_probabilities: those of a run that has not ended.
        to_label: the CSV in which people write scene classes.
        state: what a resumed run needs.
        footprints: of the tiles and which are chosen, where it is known where they lie.
    """

    def __init__(
        self, save_dir: Path, dataset: str, query: QuerySettings, seed: int, settings: Mapping[str, Any] | None = None
    ) -> None:
        strategy, shares = query.query_strategy, f"{query.amount}_{query.alpha}_{query.beta}"
        super().__init__(save_dir / dataset / f"{strategy}_{shares}_seed{seed}", SELECTION)
        names, probabilities = f"{strategy}_names_{shares}", f"{strategy}_probs_{shares}"
        self.names, self.probabilities = (save_dir / dataset / f"{stem}.npy" for stem in (names, probabilities))
        self.partial_names = self.path / f"{names}{PARTIAL}.npy"
        self.partial_probabilities = self.path / f"{probabilities}{PARTIAL}.npy"
        self.settings = dict(settings or {})
        self.options, self.list, self.state = (self.path / n for n in ("options.json", "list.txt", "state.pth"))
        self.to_label, self.metrics = self.path / "to_label.csv", self.path / "metrics.csv"
        self.selected, self.tensorboard = self.path / "selected.txt", self.path / "tensorboard"
        self.footprints = self.path / "tiles.gpkg"
        self._published_before: list[Path] = []  # by the run that is replaced

    # --- beginning and going on ---------------------------------------------------------------------------------------

    def check_resumable(self, free: Collection[str]) -> None:
        """Refuse to go on with a run that had other settings, or that has lost its state.

        Args:
            free: names of settings that may differ.

        Raises:
            OptionError: it had, or it has.
        """
        if not self.options.is_file():
            return
        refuse_other_options(read_json(self.options), self.settings, free, self.path, self.kind.option)
        if self.selected.is_file() and not self.state.is_file():
            raise SettingsError(
                "{} is not there, so this run cannot go on exactly; restore it, or start over with {overwrite}; the "
                "names chosen so far are in {}",
                self.state,
                self.selected,
            )

    def check_weights(self, digest: str) -> None:
        """Refuse to resume a run whose classifier began with another file, which it may go back to.

        Args:
            digest: SHA-256 of the file as it is now.

        Raises:
            DataError: the file has changed, or the record cannot be read.
        """
        before = read_json(self.options).get(WEIGHTS_DIGEST, digest) if self.options.is_file() else digest
        if before != digest:
            message = "{classifier_weights} {} has changed since this run began; restore it, or begin with {overwrite}"
            raise DataError(worded(message, self.settings.get("classifier_weights", "")))

    def already_labelled(self) -> dict[str, str | None]:
        """Tiles that had masks when the run began, each with the scene class it is learned from by, or None.

        Raises:
            DataError: its record cannot be read.
        """
        found = read_json(self.options).get("already_labelled_tiles", {}) if self.options.is_file() else {}
        if not isinstance(found, dict):
            raise DataError(f"{self.options}: `already_labelled_tiles` is no table; restore the file from the run")
        return found

    def learns_nothing(self) -> bool:
        """Whether the run began where no scene label was known or needed."""
        return self.options.is_file() and bool(read_json(self.options).get(LEARNS_NOTHING))

    def check_list(self, names: Sequence[str]) -> None:
        """Refuse to resume a run whose list has changed.

        Raises:
            DataError: names the tiles that were added or removed.
        """
        before = self.list.read_text(encoding="utf-8").splitlines() if self.list.is_file() else list(names)
        if before == list(names):
            return
        groups = {"added": sorted(set(names) - set(before)), "removed": sorted(set(before) - set(names))}
        changes = [f"{len(g)} {change} ({first_names(map(repr, g))})" for change, g in groups.items() if g]
        raise DataError(
            worded(
                "{data_list} {} has changed since this run began: {}; {} is what it was; or begin with {overwrite}",
                self.settings.get("data_list", ""),
                ", ".join(changes) or "its order is another",
                self.list,
            )
        )

    def begin_with(self, names: Sequence[str], record: Mapping[str, Any]) -> None:
        """Make room for a new run and record its settings and list; labels that people wrote stay.

        Args:
            names: the list.
            record: what is recorded beside the settings.
        """
        arrays = [path for path in (self.names, self.probabilities) if path.exists()]
        if arrays and self.has_published():
            self._published_before = arrays
        elif arrays:
            say(f"{self._published()} will be replaced in the end")
        self.begin()
        write_names(self.list, names)
        write_json(self.options, self.settings | dict(record))

    def establish(self) -> None:
        """Remove the run before with what it has published; an error no longer brings it back."""
        super().establish()
        for path in self._published_before:
            path.unlink(missing_ok=True)
        self._published_before = []

    # --- the arrays ---------------------------------------------------------------------------------------------------

    def write_arrays(self, names: Sequence[str], probabilities: Sequence[float]) -> None:
        """Write what is chosen so far: names, and the probabilities of their likeliest classes, NaN where unknown."""
        save_array(self.partial_probabilities, np.array(probabilities, dtype=np.float32))
        save_array(self.partial_names, np.array(names, dtype=np.str_))

    def publish(self, names: Sequence[str], probabilities: Sequence[float]) -> None:
        """Write the arrays of a run that is over, under the names that the next command takes."""
        if self.names.exists() and not self.has_published():
            say(f"{self._published()} is replaced")
        self.write_arrays(names, probabilities)
        with storage_errors(self.path):
            self.partial_probabilities.replace(self.probabilities)
            self.partial_names.replace(self.names)

    def withdraw(self) -> None:
        """Take back what an unfinished run has published, as it was done before there were partial arrays."""
        if self.has_published():
            for published, partial in (
                (self.names, self.partial_names),
                (self.probabilities, self.partial_probabilities),
            ):
                if published.exists():
                    published.replace(partial)

    def has_published(self) -> bool:
        """Whether the published names are those of the run in this folder, not of one with another seed."""
        return self._has_published(self.path)

    def _has_published(self, run: Path) -> bool:
        try:
            published = np.load(self.names, allow_pickle=False)
            return (run / self.selected.name).read_text(encoding="utf-8").splitlines() == published.tolist()
        except (OSError, ValueError):  # they are not there, or are nobody's
            return False

    def _published(self) -> str:
        """The published names that are there, and whose they are, for a message."""
        runs = (run for run in sorted(self.path.parent.iterdir()) if run.is_dir() and self._has_published(run))
        run = next(runs, None)
        return f"{self.names} of {run} (names also in its selected.txt)" if run else f"{self.names}, of an unknown run,"
