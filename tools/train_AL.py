"""Choose which tiles to draw masks for: active learning over a scene classifier (Algorithm 1 of ALS4GAN).

    python tools/train_AL.py --dataset-name UCM --query-strategy margin --random-scale --random-mirror \\
        --data-dir datasets/ucm --data-list datasets/ucm/train.txt --labeled-ratio 0.05 --alpha 0.1 --beta 0.5

Writes the chosen names to <save-dir>/<dataset>/<strategy>_names_<ratio>_<alpha>_<beta>.npy and their winning
probabilities beside it; the next command is printed at the end.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

import numpy as np
from torch.utils.data import DataLoader
from tqdm import tqdm

from data.descriptions import Description
from data.samplers import EpochBatches, OrderedBatches, build_loader
from data.splits import read_names, write_names
from data.tiles import ClassificationTiles, Tiles, open_tiles
from data.transforms import classification
from model.classifier import Classifier, classifier_names
from model.learner import Learner
from tools.arguments import (
    CommandParser,
    add_data_options,
    add_machine_options,
    as_plain,
    check_num_classes,
    count,
    image_size,
    number,
    one_of,
    ratio,
    resolve_cache,
    resolve_description,
    resolve_device,
    resolve_workers,
    run,
)
from utils.active_learning import Round, Selection
from utils.budget import Budget
from utils.checkpoint import save_array, write_json
from utils.errors import DataError, OptionError
from utils.precision import PRECISIONS, resolve_precision
from utils.query import STRATEGIES
from utils.seed import seed_everything
from utils.visualize import contact_sheet, save_picture


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = CommandParser(description=__doc__)
    data = add_data_options(parser, "--dataset-name", "--dataset", default="UCM")
    data.add_argument("--num-classes", type=count(2), metavar="N", help="scene classes; checked, not needed")
    data.add_argument("--random-scale", action="store_true", help="scale training tiles by 0.5 to 1.6")
    data.add_argument("--random-mirror", action="store_true", help="mirror training tiles left-right")
    data.add_argument(
        "--input-size", type=image_size, default=(320, 320), metavar="H,W", help="pixels a tile is resized to"
    )

    selection = parser.add_argument_group("selection")
    strategy = one_of("query strategy", list(STRATEGIES))
    selection.add_argument(
        "--query-strategy", type=strategy, default="margin", metavar="NAME", help=f"one of {', '.join(STRATEGIES)}"
    )
    selection.add_argument(
        "--labeled-ratio", type=ratio, default="0.05", metavar="R", help="share of the list to choose"
    )
    selection.add_argument("--alpha", type=ratio, default="0.1", help="initial pool as a share of the target")
    selection.add_argument("--beta", type=ratio, default="0.5", help="tiles of a round as a share of the initial pool")
    selection.add_argument(
        "--include-initial-pool", action="store_true", help="the initial pool counts in the budget and in the result"
    )

    training = parser.add_argument_group("classifier")
    training.add_argument(
        "--model-name",
        type=one_of("network", classifier_names()),
        default="res50",
        metavar="NAME",
        help="res50, res101, vgg16, tiny or a torchvision classifier",
    )
    training.add_argument(
        "--classifier-weights",
        default="imagenet",
        metavar="W",
        help="imagenet (torchvision's, downloaded once), none, or a file",
    )
    training.add_argument("--learning-rate", type=number(0, above=True), default=0.001, help="of SGD")
    training.add_argument("--momentum", type=number(0, 1), default=0.9, help="of SGD")
    training.add_argument("--num-epochs", type=count(), default=50, metavar="N", help="epochs of each round")
    training.add_argument("--batch-size", type=count(), default=4, metavar="N", help="tiles of a training batch")
    training.add_argument("--score-batch-size", type=count(), default=32, metavar="N", help="tiles of a scoring batch")
    training.add_argument(
        "--retrain", choices=("continue", "scratch"), default="continue", help="weights at the start of a round"
    )

    machine = add_machine_options(parser, seed=360)
    machine.add_argument("--precision", choices=PRECISIONS, default="auto", help="number format of the network")
    results = parser.add_argument_group("results")
    results.add_argument(
        "--save-dir", type=Path, default=Path("active_learning"), metavar="DIR", help="folder of results"
    )
    return parser.parse_args(argv)


def select(args: argparse.Namespace) -> None:
    """Run the rounds and write what was chosen."""
    device = resolve_device(args)
    precision = resolve_precision(args.precision, device)
    description = resolve_description(args)
    names = read_names(args.data_list, description)
    tiles = open_tiles(description, args.data_dir, names, cache=resolve_cache(args))
    labels = scene_ids(tiles, description)
    scene_classes = description.scene_classes or ()
    check_num_classes(args.num_classes, len(scene_classes), "scene classes")

    seed_everything(args.random_seed)
    classifier = build_classifier(args, len(scene_classes))
    learner = Learner(classifier, device, precision, args.learning_rate, args.momentum)
    initial_weights = {name: tensor.clone() for name, tensor in learner.state_dict()["classifier"].items()}
    input_size = fitting_size(args.input_size, classifier)
    plain = classification(input_size)
    augmented = classification(input_size, args.random_scale, args.random_mirror)
    workers = resolve_workers(args, device)

    def fitting_batches(tile_indices: list[int], round_number: int) -> DataLoader:
        stream = f"fit {round_number}"
        dataset = ClassificationTiles(tiles, labels, augmented, args.random_seed, stream)
        batches = EpochBatches(tile_indices, args.batch_size, args.num_epochs, args.random_seed, stream)
        return build_loader(dataset, batches, workers, pin_memory=device.type == "cuda")

    def scoring_batches(tile_indices: np.ndarray) -> DataLoader:
        dataset = ClassificationTiles(tiles, labels, plain)
        batches = OrderedBatches(tile_indices.tolist(), args.score_batch_size)
        return build_loader(dataset, batches, workers, pin_memory=device.type == "cuda")

    budget = Budget.of(args.labeled_ratio, args.alpha, args.beta, len(names))
    selection = Selection(len(names), budget, args.query_strategy, args.random_seed, args.include_initial_pool)
    folder = run_folder(args)
    write_json(folder / "options.json", as_plain(args) | {"resolved_precision": precision, "device": str(device)})
    print(
        f"{len(names)} tiles; to choose {budget.target} with {args.query_strategy}: initial pool of "
        f"{len(selection.initial)}, {selection.num_rounds} rounds of {budget.per_query}; "
        f"{classifier.model_name}, {precision} on {device}"
    )
    while selection.remaining:
        round_number = len(selection.rounds)
        title = f"round {round_number + 1}/{selection.num_rounds}"
        if args.retrain == "scratch":
            learner.load_state_dict({"classifier": initial_weights})
        started = time.perf_counter()
        fitting = fitting_batches(selection.labelled, round_number)
        loss = learner.fit(tqdm(fitting, f"{title} fit", unit="batch", leave=False, disable=None))
        scoring = scoring_batches(selection.pool)
        scored = learner.predict_probabilities(tqdm(scoring, f"{title} score", unit="batch", leave=False, disable=None))
        query = selection.query(scored)
        seconds = time.perf_counter() - started
        write_results(args, folder, tiles, selection, labels, scene_classes)
        print(f"{title}: loss {loss:.3f}, {agreement(query, labels)}, {len(selection.result)} chosen, {seconds:.1f} s")
    if selection.missing:
        print(f"the pool ran dry: {selection.missing} tiles fewer than the {budget.target} that were asked for")
    print_next_command(args, folder, selection)


def scene_ids(tiles: Tiles, description: Description) -> list[int]:
    """Scene class id of each tile.

    Raises:
        DataError: the data set has no scene classes, or a tile has no label.
    """
    if description.scene_classes is None:
        raise DataError(
            f"data set '{description.name}' has no scene classes; give scene_classes and scene_labels in dataset.json"
        )
    known = tiles.scene_labels()
    without = [name for name in tiles.names if name not in known]
    if without:
        raise DataError(
            f"{len(without)} of {len(tiles)} tiles have no scene label, the first is '{without[0]}'; "
            f"add them to {description.scene_labels}"
        )
    return [description.scene_classes.index(known[name]) for name in tiles.names]


def build_classifier(args: argparse.Namespace, num_classes: int) -> Classifier:
    """The network with the weights that the options name."""
    classifier = Classifier(args.model_name, num_classes)
    if args.classifier_weights == "none" or (args.classifier_weights == "imagenet" and args.model_name == "tiny"):
        print(f"{classifier.model_name} starts from random weights")
    elif args.classifier_weights == "imagenet":
        print(classifier.load_imagenet())
    else:
        print(classifier.load_file(Path(args.classifier_weights)))
    return classifier


def fitting_size(asked: tuple[int, int], classifier: Classifier) -> tuple[int, int]:
    """The input size, or the one size that the network takes, said aloud.

    Raises:
        OptionError: too small for the network.
    """
    if classifier.fixed_size is not None and asked != (classifier.fixed_size,) * 2:
        size = classifier.fixed_size
        print(f"{classifier.model_name} takes {size}×{size} only: tiles are resized to it")
        return size, size
    if min(asked) < classifier.minimum_size:
        raise OptionError(
            f"--input-size {asked[0]},{asked[1]} is too small for {classifier.model_name}, "
            f"which needs {classifier.minimum_size} pixels at least"
        )
    return asked


def agreement(query: Round, labels: list[int]) -> str:
    """How often the classifier was right on the tiles it was asked to choose, which are its hardest."""
    right = sum(labels[tile] == predicted for tile, predicted in zip(query.tiles, query.predicted, strict=True))
    return f"{right}/{len(query.tiles)} of them predicted right"


def run_folder(args: argparse.Namespace) -> Path:
    """Where everything but the two arrays goes."""
    settings = f"{args.query_strategy}_{args.labeled_ratio}_{args.alpha}_{args.beta}_seed{args.random_seed}"
    return Path(args.save_dir) / args.dataset / settings


def array_path(args: argparse.Namespace, content: str) -> Path:
    """The published place of the arrays; `content` is `names` or `probs`."""
    file = f"{args.query_strategy}_{content}_{args.labeled_ratio}_{args.alpha}_{args.beta}.npy"
    return Path(args.save_dir) / args.dataset / file


def write_results(
    args: argparse.Namespace,
    folder: Path,
    tiles: Tiles,
    selection: Selection,
    labels: list[int],
    scene_classes: tuple[str, ...],
) -> None:
    """Write the names, their probabilities, the rounds and a contact sheet, after every round."""
    chosen = selection.result
    chosen_names = [tiles.names[tile] for tile in chosen]
    queries = [
        (tile, utility, predicted, probability)
        for query in selection.rounds
        for tile, utility, predicted, probability in zip(
            query.tiles, query.utilities, query.predicted, query.probabilities, strict=True
        )
    ]
    probability_of = {tile: probability for tile, _, _, probability in queries}
    save_array(array_path(args, "names"), np.array(chosen_names, dtype=np.str_))
    save_array(
        array_path(args, "probs"), np.array([probability_of.get(tile, np.nan) for tile in chosen], dtype=np.float32)
    )
    write_names(folder / "selected.txt", chosen_names)
    write_json(
        folder / "selection.json",
        {
            "target": selection.budget.target,
            "initial_pool": [tiles.names[tile] for tile in selection.initial],
            "include_initial_pool": selection.include_initial,
            "rounds": [
                {
                    "names": [tiles.names[tile] for tile in query.tiles],
                    "utilities": query.utilities,
                    "predicted": [scene_classes[c] for c in query.predicted],
                    "probabilities": query.probabilities,
                    "true": [scene_classes[labels[tile]] for tile in query.tiles],
                }
                for query in selection.rounds
            ],
        },
    )
    captions = [
        f"{place}. {tiles.names[tile]}\nseen as {scene_classes[predicted]}\np {probability:.2f}, utility {utility:.3f}"
        for place, (tile, utility, predicted, probability) in enumerate(queries, start=1)
    ]
    pictures = [tiles.image(tile) for tile, *_ in queries]
    save_picture(folder / "chosen.png", contact_sheet(pictures[:120], captions[:120]))


def print_next_command(args: argparse.Namespace, folder: Path, selection: Selection) -> None:
    """Say where the result is and how to train on it."""
    names_file = array_path(args, "names")
    print(f"{len(selection.result)} names: {names_file}\npictures and rounds: {folder}")
    print("next: draw masks for these tiles, then\n")
    print(
        f"python tools/train_s4gan.py --dataset {args.dataset.lower()} --data-dir {args.data_dir} "
        f"--data-list {args.data_list} --labeled-ratio {args.labeled_ratio} --threshold-st 0.6 "
        f"--active-learning --active-learning-images-array {names_file}"
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(select, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
