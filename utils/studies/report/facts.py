"""What the page of a study says beside the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from utils.studies.costs import PeopleMinutes
from utils.studies.coverage import Choice, SceneRow, ShareTable
from utils.studies.pairs import Grid
from utils.studies.redundancy import Redundancy
from utils.studies.results import CellScore
from utils.studies.score_tables import StepTime
from utils.studies.settings import StudySettings


@dataclass(frozen=True)
class Facts:
    """What the page says beside the results.

    Attributes:
        study: what was compared.
        grid: areas and seeds.
        scores: of all cells and checkpoints.
        times: of the commands that have ended.
        minutes: what labels take people, by data set.
        validation: tiles of each area that choose the checkpoint.
        notes: sentences on the networks and the design.
        coverage: scene classes of chosen tiles.
        shares: their pixel classes.
        alike: chosen tiles that look nearly like another of the same choice.
        overlapping: those that show half of another's ground or more.
        sheets: contact sheets of chosen tiles, those to be compared together: (title, [(caption, PNG), …]).
        commands: how to repeat the study: plan, run, report.
        study_file: its text.
    """

    study: StudySettings
    grid: Grid
    scores: Sequence[CellScore]
    times: Sequence[StepTime] = ()
    minutes: Mapping[str, PeopleMinutes] = field(default_factory=dict)
    validation: Sequence[int] = ()
    notes: Sequence[str] = ()
    coverage: Sequence[SceneRow] = ()
    shares: Sequence[ShareTable] = ()
    alike: Mapping[Choice, Redundancy] = field(default_factory=dict)
    overlapping: Mapping[Choice, Redundancy] = field(default_factory=dict)
    sheets: Sequence[tuple[str, Sequence[tuple[str, bytes]]]] = ()
    commands: Sequence[str] = ("", "", "")
    study_file: str = ""
