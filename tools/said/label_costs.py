"""What labels cost, noted in the data set's ledger and said by the active learner."""

from data.labelling.ledger import LEDGER_CSV
from data.labelling.scene_labels import ledger_in_words, note_scene_labels
from data.lists.oracle import answer_files, read_answers, read_minutes, with_scene_classes
from model.learning.run import LearningRun
from tools.settings.learning import SelectionSettings
from utils.compute import distributed
from utils.console import say
from utils.errors import UserError, warn
from utils.selection.rounds import Selection


def say_costs(selection: Selection, waiting: int) -> None:
    """Say what was asked for so far; `waiting` scene labels were not given yet."""
    missing = f" ({waiting} not given yet)" if waiting else ""
    say(
        f"cost so far: {len(selection.labelled)} scene labels asked for{missing}, "
        f"{len(selection.result)} of {selection.budget.target} masks to draw"
    )


def note_answers(settings: SelectionSettings, run: LearningRun, asked: int) -> None:
    """Write the scene labels that people gave into the data set's ledger, and say what that holds.

    Where it cannot be read or written, a warning says so.

    Args:
        settings: the job.
        run: the rounds and their files.
        asked: scene labels that people were asked for; those of the tiles labelled first.
    """
    if not distributed.is_main():
        return
    data_dir, names = settings.data.data_dir, run.tiles.names
    scene_classes, are_needed = settings.labels.scene_classes, settings.needs_scene_labels
    description = with_scene_classes(settings.data.description(), scene_classes, are_needed)
    files = answer_files(settings.labels.oracle, run.folder.to_label)
    try:
        given = read_answers(files, description, names)
        rounds = {names[t]: n for t, n in asked_in(run.selection, asked).items() if names[t] in given}
        source = "people" if len(files) == 1 else files[0].name
        note_scene_labels(data_dir, rounds, read_minutes(files, description, names), source)
        if words := ledger_in_words(data_dir):
            say(f"labels of this data set so far: {words}; {data_dir / LEDGER_CSV}")
    except UserError as error:
        warn(f"what scene labels cost is not noted in {data_dir / LEDGER_CSV}: {error}")


def asked_in(selection: Selection, count: int) -> dict[int, int]:
    """Round of asking, from 1, of each of the first `count` tiles: the initial pool, then the queries."""
    groups = [group for group in (selection.initial, *(query.tiles for query in selection.rounds)) if group]
    numbers = {tile: number for number, group in enumerate(groups, start=1) for tile in group}
    return {tile: numbers[tile] for tile in selection.labelled[:count]}
