"""What to run next: commands that can be pasted into a shell as they are printed, and what to know about them."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from pathlib import Path

from data.descriptions import Description
from data.lists.scene_labels import read_scene_labels
from data.lists.splits import read_names
from data.reader import TileReader
from model.weights.defaults import default_weights
from utils.errors import UserError
from utils.selection.budget import labelled_count

ROOT = Path(__file__).resolve().parents[2]
_DIGITS = 6  # of a ratio that fits the masks that are there
_LEARNER_WEIGHTS = "resnet50-*.pth"  # as torchvision names them in its cache


@dataclass(frozen=True)
class NextStep:
    """A command and what to know of it.

    Attributes:
        command: one line for a shell.
        notes: lines of a shell's comments, pasted with it or not.
        first: what has to be done before; empty where nothing is.
        by: a command that helps with that; empty where none does.
    """

    command: str
    notes: Sequence[str] = ()
    first: str = ""
    by: str = ""

    def __str__(self) -> str:
        head = "next:"
        if self.first:
            head += f" {self.first}" + (f", by\n\n{self.by}\n\nthen" if self.by else ", then")
        return "\n".join([f"{head}\n", self.command, *(f"# {note}" for note in self.notes)])


def command_line(script: str, options: Mapping[str, object]) -> str:
    """A command of tools/ with its options, quoted for a shell, to be run from where the user is.

    Args:
        script: its file, such as `train_AL.py`.
        options: values by option; True is a flag, None and False are left out.
    """
    words: list[str] = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words += [f"{name}={value}"] if str(value).startswith("-") else [name, str(value)]
    return typed_again(script, words)


def typed_again(script: str, words: Sequence[str]) -> str:
    """A command of tools/ with what was typed behind it, quoted for a shell."""
    is_at_root = Path.cwd() == ROOT
    path = Path("tools", script) if is_at_root else ROOT / "tools" / script
    return " ".join(_quoted(word) for word in ["python", str(path), *words])


def _quoted(word: str) -> str:
    """A word for a shell; bytes that are no text and control characters as bash, zsh and POSIX 2024 escape them."""
    if word.isprintable():
        return shlex.quote(word)
    plain = {ord("'"): "\\'", ord("\\"): "\\\\"}
    escaped = (plain.get(b, chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in os.fsencode(word))
    return "$'" + "".join(escaped) + "'"


# --- The steps of the job ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FirstWeights:
    """Weights of this program's making that a command starts from: their file, and its backbone."""

    file: Path
    backbone: str


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
        "--labeled-ratio": _usual_ratio(len(names), len(asked) if classes else 1),
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
        "--labeled-ratio": _usual_ratio(len(read_names(data_list, description)), len(classes) if classes else 1),
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


def labelling(dataset: str, data_dir: Path, names: Path) -> str:
    """Hand chosen tiles to people who draw."""
    options = {
        "--names": names,
        "--data-dir": data_dir,
        "--dataset": None if dataset == "custom" else dataset,
        "--to": "qgis",
        "--out": free_folder(Path("to_label")),
    }
    return command_line("label.py", {"export": True, **options})


def training(
    dataset: str,
    data_dir: Path,
    data_list: Path,
    description: Description,
    labels: Mapping[str, object],
    weights: FirstWeights | None = None,
) -> NextStep:
    """Train s4GAN, or on labelled tiles alone where `labels` say so.

    Args:
        dataset, data_dir, data_list, description: the data set.
        labels: the options that say which tiles are labelled, and with `--supervised-only` that no others are used.
        weights: that the backbone starts from; None: ImageNet's, if they are there.
    """
    default = default_weights("resnet101")
    is_there = weights is not None or (default is not None and default.is_file())
    checkpoints = Path("checkpoint")
    options = {
        "--dataset": dataset,
        "--data-dir": data_dir,
        "--data-list": data_list,
        "--val-list": _scorable(data_list.with_name("val.txt"), data_dir, description, other_than=data_list),
        **labels,
        "--threshold-st": None if labels.get("--supervised-only") else "0.6",
        "--backbone": weights.backbone if weights else None,
        "--restore-from": weights.file if weights else None if is_there else "none",
        "--checkpoint-dir": None if free_folder(checkpoints) == checkpoints else free_folder(checkpoints),
    }
    notes = [
        f"starts from random weights: {default} is not there; {ROOT / 'pretrained_models' / 'README.md'} says where to "
        "get it, then leave out --restore-from none; tools/pretrain.py makes weights of your own tiles"
    ]
    return NextStep(command_line("train_s4gan.py", options), [] if is_there else notes)


def evaluation(
    dataset: str,
    data_dir: Path,
    data_list: Path,
    description: Description,
    checkpoint_dir: Path,
    steps: Sequence[int],
    window: tuple[int, int],
    val_list: Path | None = None,
) -> NextStep:
    """Evaluate the checkpoints that a training has left.

    Args:
        dataset, data_dir, data_list, description: the data set and the training list.
        checkpoint_dir: folder of the run.
        steps: of the checkpoints that are there, in order.
        window: height and width that smaller tiles are padded to; validation while training did the same.
        val_list: the list that was validated on; None: val.txt beside the training list, if it is there.
    """
    chosen_on = val_list or _scorable(data_list.with_name("val.txt"), data_dir, description, other_than=data_list)
    test_list = _scorable(data_list.with_name("test.txt"), data_dir, description, other_than=chosen_on or data_list)
    lists = [path for path in (chosen_on, test_list) if path is not None]
    notes = []
    if not lists:
        lists = [checkpoint_dir / "labelled_names.txt"]
        notes = [
            f"no val.txt or test.txt with masks lies beside {data_list}: these are the labelled training tiles, on "
            "which scores are optimistic; give a list of other tiles as --data-list"
        ]
    options = {
        **_range_options(steps),
        "--dataset": dataset,
        "--data-dir": data_dir,
        "--data-list": lists[0],
        "--test-list": lists[1] if len(lists) > 1 else None,
        "--checkpoint-dir": checkpoint_dir,
        "--input-size": f"{window[0]},{window[1]}",
        "--save-dir": free_folder(checkpoint_dir / "results"),
    }
    return NextStep(command_line("auto_evaluate.py", options), notes)


def prediction(
    dataset: str,
    data_dir: Path,
    data_list: Path,
    checkpoint: Path,
    backbone: str | None,
    window: tuple[int, int] | None,
) -> NextStep:
    """Make maps of a list of tiles.

    Args:
        dataset, data_dir, data_list: the tiles.
        checkpoint: the file.
        backbone, window: what no options.json beside the checkpoint says; None where it does.
    """
    options = {
        "--checkpoint": checkpoint,
        "--backbone": backbone,
        "--dataset": dataset,
        "--data-dir": data_dir,
        "--data-list": data_list,
        "--input-size": f"{window[0]},{window[1]}" if window else None,
        "--save-dir": free_folder(Path("predictions")),
    }
    note = "maps of other images: --images FILE-OR-FOLDER in place of --dataset, --data-dir and --data-list"
    return NextStep(command_line("predict.py", options), [note])


# --- What fits --------------------------------------------------------------------------------------------------------


def fitting_ratio(tiles: int, with_masks: int) -> str:
    """A labelled ratio of a list, as text: 0.05, or 0.2 of a short list, or less where fewer tiles have a mask."""
    usual = _usual_ratio(tiles, 1)
    if labelled_count(usual, tiles) <= with_masks:
        return usual
    return format((Decimal(with_masks) / tiles).quantize(Decimal(10) ** -_DIGITS, ROUND_DOWN).normalize(), "f")


def free_folder(path: Path) -> Path:
    """The folder, or with a number behind its name, such that nothing lies in it: commands do not mix their results."""
    candidate, number = path, 2
    while candidate.exists() and not (candidate.is_dir() and not any(candidate.iterdir())):
        candidate, number = path.with_name(f"{path.name}-{number}"), number + 1
    return candidate


def _usual_ratio(tiles: int, classes: int) -> str:
    return "0.05" if tiles >= 20 * max(1, classes) else "0.2"  # at least about a tile of each class


def _range_options(steps: Sequence[int]) -> dict[str, object]:
    """The range of steps, or all where their distances differ, such as with --keep-last."""
    distances = {later - earlier for earlier, later in pairwise(steps)} or {steps[0]}
    if len(distances) > 1:
        return {"--all": True}
    return {"--start-eval": steps[0], "--end-eval": steps[-1], "--step-eval": distances.pop()}


def _scorable(path: Path, data_dir: Path, description: Description, other_than: Path) -> Path | None:
    """A list if it is there, is not the other one, and all its tiles have a mask."""
    if not path.is_file() or path.resolve() == other_than.resolve():
        return None
    try:
        names = read_names(path, description)
    except UserError:
        return None
    reader = TileReader(description, data_dir, (0, 0))
    return path if all(reader.has_mask(name) for name in names) else None


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
