"""What the active learner says: what it is about to do, what it asks, what it chose and what that costs."""

import sys

from data.lists.oracle import answer_files, read_answers
from data.tiles import Tiles
from model.learning.active_learner import ActiveLearner
from tools.said.label_costs import note_answers, say_costs
from tools.said.next_steps import training_on_chosen
from tools.settings.learning import SelectionSettings
from utils.compute import distributed
from utils.console import say
from utils.runs.space import as_size
from utils.selection.questions import ask_people
from utils.selection.rounds import Selection
from utils.selection.strategies import STRATEGIES

WAITING, SKIPPED = 3, 4  # exit codes


def announce(selection: Selection, network: str, features: int, knows_nothing: bool) -> None:
    """Say what is about to be done.

    Args:
        selection: the pool and its rounds.
        network: the classifier and its machine in words.
        features: numbers that describe a tile, for strategies that look at them.
        knows_nothing: whether the classifier starts from random weights.
    """
    budget, strategy = selection.budget, STRATEGIES[selection.strategy]
    initial = f"initial pool of {len(selection.initial)}, " if budget.initial else ""
    say(
        f"{selection.total} tiles; to choose {budget.target} with {selection.strategy}: {initial}"
        f"{selection.num_rounds} rounds of {budget.per_query}; {network}"
    )
    if strategy.features:
        say(f"features of all tiles take {as_size(selection.total * features * 4)} of memory")
    if knows_nothing and (strategy.classifier or strategy.features):
        say(
            "a classifier from random weights has little to choose by before it has seen labels: margin then did "
            "better than random in 9 of 20 runs on the demo set and in 14 of 30 on scenes of Dubai, typiclust in 12 "
            "of 20 on the demo set (README, Studies). --classifier-weights takes what tools/pretrain.py makes of tiles"
        )


def ask(active: ActiveLearner, settings: SelectionSettings, tiles: Tiles, again: str) -> int:
    """Write the tiles that wait for a scene label, and say how to go on; returns the exit code."""
    to_label, description, names = active.folder.to_label, tiles.description, set(tiles.names)
    files = answer_files(settings.labels.oracle, to_label)

    def write() -> int:  # people may have written more meanwhile
        asked = {tiles.names[tile] for tile in active.selection.labelled}
        given = read_answers(files, description, names) if len(files) > 1 else {}
        answers = {name: label for name, label in given.items() if name in asked}
        return ask_people(
            to_label, active.tiles, active.selection, answers | read_answers([to_label], description, names)
        )

    waiting = distributed.from_main(write)
    say_costs(active.selection, waiting)
    note_answers(settings, active, len(active.selection.labelled))
    if waiting:
        page, pictures = to_label.with_suffix(".html"), to_label.with_suffix(".png")
        say(
            f"{waiting} tiles wait for a scene label. Open\n\n  {page}\n\nin a browser and put what it lets you "
            f"download in the place of\n\n  {to_label}\n\nor fill in the column `label` there with one of: "
            f"{', '.join(active.tiles.classes)}. The tiles are also shown in {pictures}\n"
            f"The state is saved; when the labels are there, run\n\n  {again}"
        )
    else:
        say(
            f"all scene labels that are needed were written into {to_label} meanwhile, and the state is saved; "
            f"run\n\n  {again}"
        )
    return WAITING


def report(active: ActiveLearner, settings: SelectionSettings, tiles: Tiles) -> int:
    """Say what was chosen, what it costs, where it is and how to train on it; returns the exit code."""
    selection, cost, folder = active.selection, active.costs, active.folder
    if active.is_accurate_enough:
        accuracy = active.state.numbers["val_accuracy"]
        say(f"accuracy {accuracy:.0%} reaches --stop-at-accuracy: no further tile is asked for")
    elif selection.missing:
        say(f"the pool ran dry: {selection.missing} tiles fewer than the {selection.budget.target} that were asked for")
    if left_out := active.left_out:
        say(f"{len(left_out)} tiles could not be read and were left out: {', '.join(left_out)}", file=sys.stderr)
    counted = "included" if cost["initial_pool_counts"] else "not included"
    initial = f", the initial pool of {cost['initial_pool']} {counted}" if cost["initial_pool"] else ""
    say(f"scene labels asked for: {cost['scene_labels_asked_for']}; masks to draw: {cost['masks_to_draw']}{initial}")
    note_answers(settings, active, cost["scene_labels_asked_for"])
    say(f"{len(selection.result)} names: {folder.names}\npictures and rounds: {folder.path}")
    if selection.result:
        chosen = [tiles.names[tile] for tile in selection.result]
        say(str(training_on_chosen(settings, chosen, tiles, folder.names)))
    return SKIPPED if left_out else 0
