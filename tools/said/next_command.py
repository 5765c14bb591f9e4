"""The next steps when tiles are chosen: labelling, training, evaluation, prediction."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from pathlib import Path

from data.descriptions import Description
from data.lists.splits import read_names
from data.reader import TileReader
from model.weights.defaults import default_weights
from tools.said.command_lines import ROOT, FirstWeights, NextStep, command_line, free_folder
from tools.said.next_choice import usual_ratio
from utils.errors import UserError
from utils.selection.budget import labelled_count

_DIGITS = 6  # of a ratio that fits the masks that are there


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
    usual = usual_ratio(tiles, 1)
    if labelled_count(usual, tiles) <= with_masks:
        return usual
    return format((Decimal(with_masks) / tiles).quantize(Decimal(10) ** -_DIGITS, ROUND_DOWN).normalize(), "f")


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
