"""The next step when a data set is there, or weights are: to choose tiles."""

import os
from collections.abc import Sequence
from pathlib import Path

from data.descriptions import Description
from data.lists.scene_labels import read_scene_labels
from data.lists.splits import read_names
from tools.said.command_lines import FirstWeights, NextStep, command_line, free_folder
from utils.errors import UserError

_LEARNER_WEIGHTS = "resnet50-*.pth"  # as torchvision names them in its cache


def choosing(dataset: str, data_dir: Path, data_list: Path, description: Description) -> NextStep:
    """Let the active learner choose; where the data set names no scene classes, people take those of the pixels."""
    names, classes = read_names(data_list, description), description.scene_classes
    asked = classes or [name.replace(",", " ") for name in description.classes]
    val_list = data_list.with_name("val.txt")
    options = {
        "--dataset-name": dataset,
        "--query-strategy": "margin",
        "--random-scale": True,
        "--random-mirror": True,
        "--data-dir": data_dir,
        "--data-list": data_list,
        "--val-list": val_list if _tells_accuracy(val_list, data_dir, description, names) else None,
        "--labeled-ratio": usual_ratio(len(names), len(asked) if classes else 1),
        "--alpha": None if classes else "0.5",  # people would be asked for every tile or two
        "--beta": None if classes else "1",
        "--model-name": "res50",
        "--scene-classes": None if classes else ",".join(asked),
        "--save-dir": _free_choice(dataset),
    }
    asks = "no tile has a mask: the learner chooses which to draw, and asks people for scene labels"
    notes = [] if classes else [asks]
    if not any((_torch_home() / "hub" / "checkpoints").glob(_LEARNER_WEIGHTS)):
        notes.append("fetches ImageNet weights once; or make some by tools/pretrain.py, or --classifier-weights none")
    return NextStep(command_line("train_AL.py", options), notes)


def choosing_by_features(
    dataset: str, data_dir: Path, data_list: Path, description: Description, weights: FirstWeights
) -> NextStep:
    """Choose typical tiles by the features of weights, for which nobody has to know a scene label."""
    classes = description.scene_classes
    options = {
        "--dataset-name": dataset,
        "--query-strategy": "typiclust",
        "--features": "pretrained",
        "--data-dir": data_dir,
        "--data-list": data_list,
        "--labeled-ratio": usual_ratio(len(read_names(data_list, description)), len(classes) if classes else 1),
        "--alpha": "0.5",  # nobody answers between rounds, so there may be few
        "--beta": "1",
        "--model-name": weights.backbone,
        "--classifier-weights": weights.file,
        "--save-dir": _free_choice(dataset),
    }
    return NextStep(command_line("train_AL.py", options), ["typical tiles of what these weights tell apart"])


def _free_choice(dataset: str) -> Path | None:
    """A new folder for a choice; None where the usual one has none of this data set."""
    usual = Path("active_learning")
    return free_folder(usual) if (usual / dataset).exists() else None


def usual_ratio(tiles: int, classes: int) -> str:
    """A labelled ratio for a first try, as text."""
    return "0.05" if tiles >= 20 * max(1, classes) else "0.2"  # at least about a tile of each class


def _tells_accuracy(path: Path, data_dir: Path, description: Description, pool: Sequence[str]) -> bool:
    """Whether a list is there whose tiles all have a scene label and are not among those to choose from."""
    try:
        names = read_names(path, description)
        return {*names}.isdisjoint(pool) and len(read_scene_labels(description, data_dir, names)) == len(names)
    except UserError:
        return False


def _torch_home() -> Path:
    """Where torch keeps what it has downloaded."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("TORCH_HOME") or f"{cache}/torch").expanduser()
