"""What is known of a network's confidence, and `calibration.json`, which keeps it beside the checkpoints of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from utils.console import say
from utils.digests import digest_of
from utils.errors import DataError, UserError, warn
from utils.evaluation.calibration.reliability import BINS, Reliability
from utils.evaluation.calibration.sampling import ConfidenceSample, KeepPiece, sample_confidence
from utils.evaluation.calibration.temperature import (
    HIGHEST,
    LOWEST,
    fit_temperature,
    negative_log_likelihood,
    tempered,
)
from utils.evaluation.tile_lists import ListScorer
from utils.runs.files import read_json, write_json

VERSION = 1
FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """A temperature, and how well confidence fits accuracy before and after.

    Attributes:
        temperature: fitted on the list that the checkpoint was chosen on.
        fitted_on: that list.
        measured_on: the list that the rest is of: the test list, else the same.
        is_held_out: whether that is another list than the one the temperature was fitted on.
        before, after: curve and expected calibration error at temperature 1 and at `temperature`.
        nll_before, nll_after: mean negative log-likelihood in nats.
        pixels, tiles: of the sample that was measured, and of its list.
        views: that were averaged.
    """

    temperature: float
    fitted_on: str
    measured_on: str
    is_held_out: bool
    before: Reliability
    after: Reliability
    nll_before: float
    nll_after: float
    pixels: int
    tiles: int
    views: dict[str, Any]

    def in_words(self) -> str:
        """Error before and after, and what it was measured on."""
        on = f"on {self.measured_on}" + ("" if self.is_held_out else ", which the temperature was fitted on")
        return (
            f"confidence: expected calibration error {self.before.error:.3f}, at temperature {self.temperature:.2f} "
            f"{self.after.error:.3f} ({on})" + ("" if self.helps else "; the temperature does not help there")
        )

    @property
    def helps(self) -> bool:
        """Whether the error at the temperature is no larger than before."""
        return self.after.error <= self.before.error

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "temperature": self.temperature,
            "list": self.fitted_on,
            "measured_on": self.measured_on,
            "held_out": self.is_held_out,
            "ece_before": self.before.error,
            "ece_after": self.after.error,
            "nll_before": self.nll_before,
            "nll_after": self.nll_after,
            "bins": BINS,
            "pixels": self.pixels,
            "tiles": self.tiles,
            **self.views,
            "reliability_before": self.before.as_plain(),
            "reliability_after": self.after.as_plain(),
        }


def calibrate(chosen_on: ListScorer, test_list: ListScorer | None, keep: KeepPiece | None = None) -> Calibration:
    """Fit a temperature on the list that a checkpoint was chosen on, and measure it on the test list, if there is one.

    All processes have to ask; each takes its share of the tiles.

    Args:
        chosen_on, test_list: the lists, with the chosen checkpoint's weights in the network.
        keep: as of `sample_confidence`, of the list that is measured on.
    """
    sample = sample_confidence(chosen_on, None if test_list else keep)
    temperature = fit_temperature(sample.probabilities, sample.labels, sample.weights)
    on = test_list or chosen_on
    measured = sample_confidence(test_list, keep) if test_list else sample
    after = _tempered(measured, temperature)
    return Calibration(
        temperature,
        str(chosen_on.tiles.path),
        str(on.tiles.path),
        test_list is not None,
        Reliability.of(measured.probabilities, measured.labels, measured.weights),
        Reliability.of(after.probabilities, after.labels, after.weights),
        negative_log_likelihood(measured.probabilities, measured.labels, measured.weights),
        negative_log_likelihood(after.probabilities, after.labels, after.weights),
        len(measured),
        len(on.tiles.names),
        {"flip": on.views.flip, "scales": list(on.views.scales)},
    )


def _tempered(sample: ConfidenceSample, temperature: float) -> ConfidenceSample:
    return ConfidenceSample(tempered(sample.probabilities.T, temperature).T, sample.labels, sample.weights)


# --- the file ---------------------------------------------------------------------------------------------------------


def write_calibration(checkpoint: Path, digest: str, calibration: Calibration) -> str:
    """Write `calibration.json` beside a checkpoint.

    Args:
        checkpoint: the file that was calibrated.
        digest: of its content.
        calibration: what came out.

    Returns:
        Why it was not written, for a note; empty where it was.
    """
    path = checkpoint.with_name(FILE)
    content = {"version": VERSION, "checkpoint": checkpoint.name, "checkpoint_sha256": digest}
    try:
        write_json(path, content | calibration.as_plain())
    except UserError as error:  # the run's folder is somebody else's, or the disk is full: the results count
        reason = str(error).split("; ")[0]
        return f"{reason}, so maps of this run will not know its temperature {calibration.temperature:.2f}"
    return ""


def read_calibration(run_dir: Path | str, checkpoint: Path | str) -> float | None:
    """The temperature that was fitted to a checkpoint.

    Args:
        run_dir: the run's folder.
        checkpoint: the file of the network.

    Returns:
        The temperature; None where there is no `calibration.json`, or, with a warning, where it is of another network.

    Raises:
        DataError: the file is damaged or of a later version.
    """
    path, checkpoint = Path(run_dir) / FILE, Path(checkpoint)
    if not path.is_file():
        return None
    raw = read_json(path)
    if raw.get("version") != VERSION:
        version = raw.get("version")
        raise DataError(f"{path} is of version {version!r}, and this program reads {VERSION}; evaluate the run again")
    temperature, digest = raw.get("temperature"), raw.get("checkpoint_sha256")
    if not _is_temperature(temperature) or not isinstance(digest, str):
        raise DataError(f"{path} names no temperature and digest; remove it, or evaluate the run again")
    try:
        own = digest_of(checkpoint)
    except OSError as error:
        raise DataError(f"{checkpoint} cannot be read ({error.strerror}); give the checkpoint of the map") from error
    if own != digest:
        other = raw.get("checkpoint", "another checkpoint")
        warn(
            f"{path} was fitted to {other}, not to {checkpoint.name}, so confidence is not calibrated; evaluate "
            f"{checkpoint.name} with tools/auto_evaluate.py"
        )
        return None
    return float(temperature)


def _is_temperature(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and LOWEST / 2 <= value <= HIGHEST * 2


def temperature_of(checkpoint: Path) -> float:
    """The temperature of a network that a command uses, 1 where none is known, with a word on it.

    Args:
        checkpoint: the file of the network, in its run's folder.

    Raises:
        DataError: as of `read_calibration`.
    """
    path = checkpoint.with_name(FILE)
    temperature = read_calibration(checkpoint.parent, checkpoint)
    if temperature is not None:
        say(f"confidence at temperature {temperature:.2f}, as {path} says")
    elif not path.is_file():
        say("confidence as the network gives it, mostly too high: tools/auto_evaluate.py finds out by how much")
    return temperature or 1.0
