"""Choose which tiles to draw masks for: active learning over a scene classifier (Algorithm 1 of ALS4GAN).

    python tools/train_AL.py --dataset-name UCM --query-strategy margin --random-scale --random-mirror \\
        --data-dir datasets/ucm --data-list datasets/ucm/train.txt --labeled-ratio 0.05 --alpha 0.1 --beta 0.5
    torchrun --nproc_per_node=4 tools/train_AL.py ...

Writes the chosen names to <save-dir>/<dataset>/<strategy>_names_<ratio>_<alpha>_<beta>.npy and their winning
probabilities beside it; rounds, pictures and the state for --resume to a folder there, and until the run has ended the
two arrays too, called ….partial.npy. Where tiles have no scene label it asks people: it writes to_label.csv and ends
with exit code 3. The next command is printed at the end.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli import select_options
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    return select_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import numpy as np
import torch

from data.descriptions import Description
from data.oracle import read_answers
from data.scene_labels import read_scene_labels
from data.splits import read_names
from data.tiles import Tiles
from data.unreadable import open_readable
from model.learner import Learner
from model.networks.classifier import FEATURES, Classifier
from tools.al_feed import Feed
from tools.al_results import UNKNOWN, LabelledList, SelectionFolder
from tools.al_run import LearningRun
from tools.cli.next_command import NextStep, training, typed_again
from tools.cli.select_options import array_path
from tools.cli.shared_options import check_num_classes, resolve_cache, resolve_description, resolve_device
from utils import distributed
from utils.console import say
from utils.errors import DataError, OptionError
from utils.precision import resolve_precision
from utils.runs.interrupt import Stopped, StopRequest
from utils.runs.seeds import seed_everything
from utils.runs.space import as_size
from utils.selection.budget import Budget, labelled_count
from utils.selection.rounds import Selection
from utils.selection.strategies import STRATEGIES

WAITING, SKIPPED, TERMINATED = 3, 4, 143  # exit codes


def select(args: argparse.Namespace) -> int:
    """Run the rounds and write what was chosen; returns the exit code."""
    device = resolve_device(args)
    distributed.start(device.type)
    folder = SelectionFolder(args)
    with folder.claim(args.resume, args.overwrite):
        return select_in(folder, args, device)


def select_in(folder: SelectionFolder, args: argparse.Namespace, device: torch.device) -> int:
    """Run the rounds in a folder that is this process's own; returns the exit code."""
    precision = resolve_precision(args.precision, device)
    description = with_scene_classes(resolve_description(args), args.scene_classes)
    classes = description.scene_classes or ()
    check_num_classes(args.num_classes, len(classes), "scene classes")
    is_resumed = args.resume and distributed.from_main(folder.record.is_file)  # else it was killed before it began
    if is_resumed:
        folder.check_resumable()

    names = read_names(args.data_list, description)
    answers = distributed.from_main(lambda: folder.answers(description, names))
    labels = known_labels(args, description, names, answers)
    cache, skip = resolve_cache(args), args.skip_bad_images
    tiles, unreadable = distributed.main_first(lambda: open_readable(description, args.data_dir, names, cache, skip))
    listed = LabelledList(tiles, classes, as_ids(labels, names, classes))
    validation = open_validation(args, description, names, labels)

    seed_everything(args.random_seed)
    classifier = build_classifier(args, len(classes))
    learner = Learner(classifier, device, precision, args.learning_rate, args.momentum)
    torch.manual_seed(args.random_seed + distributed.rank())  # each process drops out for itself
    budget = Budget.of(args.labeled_ratio, args.alpha, args.beta, len(names))
    selection = Selection(len(names), budget, args.query_strategy, args.random_seed, args.include_initial_pool)
    selection.skipped.update(unreadable)
    feed = Feed(args, fitting_size(args.input_size, classifier), device)

    learning = LearningRun(args, listed, validation, selection, learner, feed, folder)
    try:
        if is_resumed:
            learning.resume()
        else:
            learning.begin({"resolved_precision": precision, "torch": str(torch.__version__)})
        announce(args, selection, classifier, f"{precision} on {device}")
        with StopRequest(unsaved=learning.unsaved) as stop:
            is_waiting = learning.rounds(stop)
    except Stopped:
        reason = stop.reason or "another process was asked to end"
        say(f"{reason}: state saved in {learning.title}; the same command with --resume goes on")
        return stop.exit_code or TERMINATED
    finally:
        learning.close()
    if is_waiting:
        ask_people(args, folder, listed, selection)
    else:
        report(args, folder, learning)
    distributed.stop()
    return WAITING if is_waiting else SKIPPED if learning.left_out else 0


def with_scene_classes(description: Description, given: tuple[str, ...] | None) -> Description:
    """The description, with the scene classes of `--scene-classes` where it has none of its own.

    Raises:
        OptionError: it has others, or there are none at all.
    """
    if given is None and description.scene_classes is None:
        raise OptionError(
            f"data set '{description.name}' names no scene classes; give --scene-classes a,b,c, or scene_classes in "
            "dataset.json"
        )
    if given is None or given == description.scene_classes:
        return description
    if description.scene_classes is not None:
        raise OptionError(
            f"--scene-classes {','.join(given)} contradicts the data set, whose scene classes are "
            f"{','.join(description.scene_classes)}; leave it out"
        )
    return replace(description, scene_classes=given)


def known_labels(
    args: argparse.Namespace, description: Description, names: Sequence[str], answers: Mapping[str, str]
) -> dict[str, str]:
    """Scene class by name, as far as the oracle knows; what people wrote into to_label.csv always counts.

    Raises:
        OptionError: no such oracle.
        DataError: a label cannot be used.
    """
    oracle = (args.oracle or "").lower()
    if oracle in ("", "dataset"):
        labels = read_scene_labels(description, args.data_dir, names)
        if not labels:
            source = description.scene_labels or "the description"
            if oracle == "dataset":
                raise DataError(f"--oracle dataset: {source} has no scene label of these tiles; give --oracle people")
            say(f"no scene label of these tiles in {source}: people are asked")
        return labels | dict(answers)
    if oracle == "people":
        return dict(answers)
    path = Path(args.oracle)
    if not path.is_file():
        raise OptionError(
            f"--oracle {path} is neither dataset nor people nor a CSV file; to begin without labels give people"
        )
    known = {*names, *(read_names(args.val_list, description) if args.val_list else ())}
    to_label = SelectionFolder(args).to_label
    return read_answers(
        [path] if os.path.realpath(path) == os.path.realpath(to_label) else [path, to_label], description, known
    )


def as_ids(labels: Mapping[str, str], names: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Class id of each name, -1 where it is not known; int64, shape (N,)."""
    index = {name: number for number, name in enumerate(classes)}
    return np.array([index[labels[name]] if name in labels else UNKNOWN for name in names], dtype=np.int64)


def open_validation(
    args: argparse.Namespace, description: Description, names: Sequence[str], labels: Mapping[str, str]
) -> LabelledList | None:
    """The tiles of `--val-list` with their scene classes.

    Raises:
        DataError: one has no scene class, or is among the tiles to choose from.
    """
    if args.val_list is None:
        return None
    val_names = read_names(args.val_list, description)
    if shared := set(names) & set(val_names):
        raise DataError(
            f"{len(shared)} tiles are in --val-list and in --data-list, such as '{min(shared)}'; accuracy is measured "
            "on tiles that are not learned from, so give separate lists"
        )
    others = [name for name in val_names if name not in labels]  # not among the answers of --oracle
    val_labels = {**labels, **read_scene_labels(description, args.data_dir, others)}
    if missing := [name for name in others if name not in val_labels]:
        raise DataError(
            f"{len(missing)} of {len(val_names)} tiles of --val-list have no scene label, the first is '{missing[0]}'; "
            "add them to the data set's labels or to the CSV of --oracle"
        )
    classes = description.scene_classes or ()
    cache, skip = resolve_cache(args), args.skip_bad_images
    tiles, unreadable = distributed.main_first(
        lambda: open_readable(description, args.data_dir, val_names, cache, skip)
    )
    ids = as_ids(val_labels, val_names, classes)
    ids[unreadable] = UNKNOWN
    return LabelledList(tiles, classes, ids)


def build_classifier(args: argparse.Namespace, num_classes: int) -> Classifier:
    """The network with the weights that the options name."""
    classifier = Classifier(args.model_name, num_classes)
    if args.classifier_weights == "none" or (args.classifier_weights == "imagenet" and args.model_name == "tiny"):
        say(f"{classifier.model_name} starts from random weights")
    elif args.classifier_weights == "imagenet":
        say(str(distributed.main_first(classifier.load_imagenet)))
    else:
        say(str(classifier.load_file(Path(args.classifier_weights))))
    return classifier


def fitting_size(asked: tuple[int, int], classifier: Classifier) -> tuple[int, int]:
    """The input size, or the one size that the network takes, said aloud.

    Raises:
        OptionError: too small for the network.
    """
    if classifier.fixed_size is not None and asked != (classifier.fixed_size,) * 2:
        size = classifier.fixed_size
        say(f"{classifier.model_name} takes {size}×{size} only: tiles are resized to it")
        return size, size
    if min(asked) < classifier.minimum_size:
        raise OptionError(
            f"--input-size {asked[0]},{asked[1]} is too small for {classifier.model_name}, "
            f"which needs {classifier.minimum_size} pixels at least"
        )
    return asked


def announce(args: argparse.Namespace, selection: Selection, classifier: Classifier, machine: str) -> None:
    """Say what is about to be done."""
    budget = selection.budget
    say(
        f"{selection.total} tiles; to choose {budget.target} with {args.query_strategy}: initial pool of "
        f"{len(selection.initial)}, {selection.num_rounds} rounds of {budget.per_query}; "
        f"{classifier.model_name}, {machine}"
    )
    if STRATEGIES[args.query_strategy].features:
        say(f"features of all tiles take {as_size(selection.total * FEATURES * 4)} of memory")


def ask_people(args: argparse.Namespace, folder: SelectionFolder, listed: LabelledList, selection: Selection) -> None:
    """Write the tiles that wait for a scene label, and say how to go on."""
    waiting = distributed.from_main(lambda: folder.ask(listed, selection))
    command = [word for word in args.argv if word not in ("--resume", "--overwrite")]
    if not waiting:
        say(
            f"all scene labels that are needed were written into {folder.to_label} meanwhile, and the state is saved; "
            f"run\n\n  {typed_again('train_AL.py', [*command, '--resume'])}"
        )
        return
    say(
        f"{waiting} tiles wait for a scene label. Fill in the column `label` of\n\n  {folder.to_label}\n\n"
        f"with one of: {', '.join(listed.classes)}. The tiles are shown in {folder.path / 'to_label.png'}\n"
        "The state is saved; when the labels are there, run\n\n"
        f"  {typed_again('train_AL.py', [*command, '--resume'])}"
    )


def report(args: argparse.Namespace, folder: SelectionFolder, learning: LearningRun) -> None:
    """Say what was chosen, what it costs, where it is and how to train on it."""
    selection, cost = learning.selection, learning.ledger
    if learning.is_accurate_enough:
        accuracy = learning.state.numbers["val_accuracy"]
        say(f"accuracy {accuracy:.0%} reaches --stop-at-accuracy: no further tile is asked for")
    elif selection.missing:
        say(f"the pool ran dry: {selection.missing} tiles fewer than the {selection.budget.target} that were asked for")
    if left_out := learning.left_out:
        say(f"{len(left_out)} tiles could not be read and were left out: {', '.join(left_out)}", file=sys.stderr)
    say(
        f"scene labels asked for: {cost['scene_labels_asked_for']}; masks to draw: {cost['masks_to_draw']}, "
        f"the initial pool of {cost['initial_pool']} {'included' if cost['initial_pool_counts'] else 'not included'}"
    )
    names_file = array_path(args, "names")
    say(f"{len(selection.result)} names: {names_file}\npictures and rounds: {folder.path}")
    if not selection.result:
        return
    say(str(next_step(args, [learning.listed.tiles.names[tile] for tile in selection.result], learning.listed.tiles)))


def next_step(args: argparse.Namespace, chosen: Sequence[str], tiles: Tiles) -> NextStep:
    """Train on the chosen tiles; where masks of them are missing, draw these before.

    Args:
        args: the command's options.
        chosen: names of the chosen tiles.
        tiles: all tiles of the list.
    """
    reader, asked = tiles.reader, labelled_count(args.labeled_ratio, len(tiles))
    labels = {
        "--labeled-ratio": args.labeled_ratio if len(chosen) == asked else None,
        "--active-learning": True,
        "--active-learning-images-array": array_path(args, "names"),
    }
    step = training(args.dataset.lower(), args.data_dir, args.data_list, reader.description, labels)
    if missing := [name for name in chosen if not reader.has_mask(name)]:
        where = reader.mask_path(missing[0])
        return replace(step, first=f"draw masks for {len(missing)} of these tiles ({where} and so on)")
    return step


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(select, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
