"""What to type when tiles are chosen, or a backbone is pre-trained."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data.descriptions import Description
from data.tiles import Tiles
from model.weights.pretrained import pretraining_of
from tools.said.command_lines import FirstWeights, NextStep
from tools.said.next_choice import choosing_by_features
from tools.said.next_command import labelling, training
from tools.settings.learning import SelectionSettings
from utils.selection.budget import count_of


def training_on_chosen(settings: SelectionSettings, chosen: Sequence[str], tiles: Tiles, array: Path) -> NextStep:
    """Train on the chosen tiles; where masks of them are missing, draw these before.

    Args:
        settings: the job.
        chosen: names of the chosen tiles.
        tiles: all tiles of the list.
        array: the file of the chosen names.
    """
    data, reader, query = settings.data, tiles.reader, settings.query
    is_whole = len(chosen) == count_of(query.labeled_ratio, query.budget, len(tiles))
    labels: dict[str, object] = {
        "--labeled-ratio": query.labeled_ratio if is_whole else None,
        "--budget": query.budget if is_whole else None,
        "--active-learning": True,
        "--active-learning-images-array": array,
    }
    if settings.labels.already_labelled is not None:  # these and those that were labelled before
        labels = {"--labelled": "all-masks"}
    places = (data.dataset.lower(), data.data_dir, data.data_list, reader.description)
    step = training(*places, labels, _first_weights(settings))
    if missing := [name for name in chosen if not reader.has_mask(name)]:
        where = reader.mask_path(missing[0])
        first = f"draw masks for {len(missing)} of these tiles ({where} and so on)"
        return replace(step, first=first, by=labelling(data.dataset.lower(), data.data_dir, array))
    return step


def _first_weights(settings: SelectionSettings) -> FirstWeights | None:
    """The weights that the classifier began with, where a generator can begin with them too."""
    file = settings.learner.weights_file
    pretraining = pretraining_of(file) if file is not None else None
    return FirstWeights(file, pretraining.backbone) if file is not None and pretraining is not None else None


def choosing_and_training(
    dataset: str, data_dir: Path, data_list: Path, description: Description, weights: FirstWeights
) -> list[NextStep]:
    """Choose tiles by the features of pre-trained weights, and train on what was chosen."""
    places = (dataset, data_dir, data_list, description)
    names = "NAMES.npy"  # the choice prints it
    labels = {"--active-learning": True, "--active-learning-images-array": names}
    train = training(*places, labels, weights)
    note = f"for {names}, the command before prints the file; it prints this command too"
    return [choosing_by_features(*places, weights), replace(train, first="when the tiles are chosen", notes=[note])]
