"""The main job on built-in data: choose tiles, train on them and on a random choice, compare.

    python tools/demo.py            (or: make demo)

Draws the demo set, lets the active learner choose 20 % of the training tiles, trains s4GAN on the chosen tiles and on
as many random ones, evaluates both ranges of checkpoints and prints one table. About 5 minutes on 2 CPU cores.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.parser import CommandParser, count
from tools.cli.running import parse_first, run


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command's options."""
    parser = CommandParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="folder of the demo, made anew"
    )
    parser.add_argument("--num-steps", type=count(20), default=400, metavar="N", help="training steps of each run")
    parser.add_argument(
        "--tiles-per-class", type=count(3, 100), default=24, metavar="N", help="tiles of each scene class"
    )
    parser.add_argument("--random-seed", type=count(0), default=0, metavar="S", help="seed of everything random")
    parser.add_argument("--debug", action="store_true", help="show a traceback with an error")
    return parser.parse_args(argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.descriptions import UCM
from data.splits import read_names, read_names_array
from data.tiles import Tiles, open_tiles
from tools import auto_evaluate, prepare_data, train_AL, train_s4gan
from tools.cli.next_command import typed_again
from utils.errors import UserError
from utils.evaluation.metric import ConfusionMatrix, Scores, fraction
from utils.labels import IGNORE_INDEX

RATIO = "0.2"
PIXELS_PER_TILE = 400  # of a labelled tile, to fit the colour baseline


def demo(args: argparse.Namespace) -> None:
    """Run the five commands and print what came out."""
    out: Path = args.out
    data, train_list, test_list = out / "data", out / "data" / "train.txt", out / "data" / "test.txt"
    seed = ["--random-seed", str(args.random_seed), "--overwrite"]  # of earlier demos; what others put there stays
    on_train = ["--dataset", "ucm", "--data-dir", str(data), "--data-list", str(train_list), *seed]
    on_test = ["--dataset", "ucm", "--data-dir", str(data), "--data-list", str(test_list)]

    step(
        "prepare_data.py",
        prepare_data.main,
        "demo",
        "--out",
        str(data),
        "--tiles-per-class",
        args.tiles_per_class,
        *seed,
    )
    choosing = ["--labeled-ratio", RATIO, "--alpha", "0.4", "--beta", "0.5", "--save-dir", str(out / "active_learning")]
    learner = ["--model-name", "tiny", "--num-epochs", "6", "--batch-size", "8", "--learning-rate", "0.01"]
    step("train_AL.py", train_AL.main, *on_train, *choosing, *learner, "--input-size", "128,128", "--random-mirror")
    names_array = next((out / "active_learning").rglob("margin_names_*.npy"))
    choices = {
        "chosen": ["--active-learning", "--active-learning-images-array", str(names_array)],
        "random": ["--labeled-ratio", RATIO],
    }
    every = max(1, args.num_steps // 4)
    for choice, labels in choices.items():
        network = ["--backbone", "tiny", "--restore-from", "none", "--learning-rate", "0.0015", "--threshold-st", "0.6"]
        schedule = ["--num-steps", args.num_steps, "--batch-size", "4", "--save-pred-every", every]
        crops = ["--input-size", "128,128", "--random-mirror", "--checkpoint-dir", str(out / choice / "checkpoint")]
        step("train_s4gan.py", train_s4gan.main, *on_train, *labels, *network, *schedule, *crops)
        last = args.num_steps if args.num_steps % every == 0 else args.num_steps // every * every
        steps = ["--start-eval", every, "--end-eval", last, "--step-eval", every, "--input-size", "256,256"]
        folders = ["--checkpoint-dir", str(out / choice / "checkpoint"), "--save-dir", str(out / choice / "results")]
        step("auto_evaluate.py", auto_evaluate.main, *on_test, *steps, *folders, "--overwrite")
    report(out, read_names(train_list, UCM), read_names(test_list, UCM), train_list)


def step(command: str, main: Callable[[list[str]], int], *options: object) -> None:
    """Run one command as a user would, showing it first.

    Raises:
        UserError: the command failed; its own message stands above.
    """
    argv = [str(option) for option in options]
    print(f"\n$ {typed_again(command, argv)}", flush=True)
    if code := main(argv):
        raise UserError(f"tools/{command} ended with exit code {code}")


def report(out: Path, train_names: list[str], test_names: list[str], train_list: Path) -> None:
    """Print the table, as it came out, and the paths of the pictures."""
    rows = []
    for choice in ("chosen", "random"):
        scores = json.loads(
            next((out / choice / "results").glob("best_scores_[0-9]*.json")).read_text(encoding="utf-8")
        )
        labelled = read_names_array(out / choice / "checkpoint" / "labelled_names.txt", UCM, train_names, train_list)
        train = open_tiles(UCM, out / "data", train_names, labelled)
        test = open_tiles(UCM, out / "data", test_names, test_names)
        rows.append((choice, len(labelled), scores, colour_baseline(train, test)))
    print(f"\n{'labels':<22}{'tiles':>6}{'mean IoU':>10}{'pixel acc.':>12}{'colour-only mean IoU':>22}")
    for choice, count_labelled, scores, baseline in rows:
        title = "active learner" if choice == "chosen" else "random choice"
        print(
            f"{title:<22}{count_labelled:>6}{scores['Mean IoU']:>10.3f}{scores['Pixel Accuracy']:>12.3f}"
            f"{fraction(baseline.mean_iou):>22}"
        )
    difference = rows[0][2]["Mean IoU"] - rows[1][2]["Mean IoU"]
    better = (
        "no choice did better"
        if difference == 0
        else f"the {'active' if difference > 0 else 'random'} choice did better"
    )
    print(
        f"{better} by {abs(difference):.3f} mean IoU in this one run, scored on {len(test_names)} tiles that also chose"
    )
    print(
        "the checkpoint: one seed and few tiles prove nothing. Colour-only is a logistic regression on a pixel's RGB."
    )
    chosen_sheet = next((out / "active_learning").rglob("chosen.png"))
    print(f"\npictures to look at:\n  chosen tiles              {chosen_sheet}")
    for choice in ("chosen", "random"):
        print(f"  {choice + ', evaluated':<25} {out / choice / 'results' / 'report.html'}")


def colour_baseline(train: Tiles, test: Tiles) -> Scores:
    """Scores of a logistic regression on a pixel's colour alone, fitted on the labelled tiles."""
    rng = np.random.default_rng(0)
    colours, ids = [], []
    for tile in train.indices_of(train.labelled):
        mask = train.mask(tile).ravel()
        known = np.flatnonzero(mask != IGNORE_INDEX)
        drawn = rng.choice(known, min(PIXELS_PER_TILE, len(known)), replace=False)
        colours.append(train.image(tile).reshape(-1, 3)[drawn])
        ids.append(mask[drawn])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    model.fit(np.concatenate(colours).astype(np.float32), np.concatenate(ids))
    matrix = ConfusionMatrix(UCM.num_classes)
    for tile in range(len(test)):
        predicted = model.predict(test.image(tile).reshape(-1, 3).astype(np.float32))
        matrix.update(torch.from_numpy(test.mask(tile).ravel().astype(np.int64)), torch.from_numpy(predicted))
    return matrix.scores()


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(demo, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
