"""The main job on built-in data: choose tiles, train on them and on a random choice, compare.

    python tools/demo.py                    (or: make demo)
    python tools/demo.py --method s4gan     the published method, on unlabelled tiles too

Draws the demo set, lets the active learner choose 20 % of the training tiles, trains on the chosen tiles and on as many
random ones, evaluates both ranges of checkpoints and prints one table. About 5 minutes on 2 CPU cores; with s4GAN 11.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from model.methods import METHODS
from tools.cli.as_settings import parsed
from tools.cli.parser import CommandParser, count, one_of
from tools.cli.running import parse_first, run


@dataclass(frozen=True)
class DemoRun:
    """How long the demo is.

    Attributes:
        out: folder of the demo, made anew.
        num_steps: training steps of each run.
        tiles_per_class: tiles of each scene class.
        method: of training.
        random_seed: seed of everything random.
    """

    out: Path = Path("runs/demo")
    num_steps: int = 400
    tiles_per_class: int = 24
    method: str = "supervised"
    random_seed: int = 0


def parse_args(argv: list[str] | None = None) -> DemoRun:
    """The settings that the command's options describe."""
    parser = CommandParser(description=__doc__)
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="folder of the demo, made anew")
    add("--num-steps", type=count(20), default=400, metavar="N", help="training steps of each run")
    add("--tiles-per-class", type=count(3, 100), default=24, metavar="N", help="tiles of each scene class")
    add("--method", type=one_of("training method", list(METHODS)), default="supervised", help=", ".join(METHODS))
    add("--random-seed", type=count(0), default=0, metavar="S", help="seed of everything random")
    add("--debug", action="store_true", help="show a traceback with an error")
    return parsed(parser, DemoRun, parser.parse_args(argv))


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import numpy as np

from data.descriptions import UCM
from data.lists.splits import read_names, read_names_array
from data.tiles import Tiles, open_tiles
from tools import auto_evaluate, prepare_data, train_AL, train_s4gan
from tools.said.command_lines import typed_again
from utils.errors import UserError
from utils.evaluation.colour_baseline import score_colours
from utils.evaluation.metric import fraction

RATIO = "0.2"


def demo(settings: DemoRun) -> None:
    """Run the five commands and print what came out."""
    out, steps = settings.out, settings.num_steps
    data, train_list, test_list = out / "data", out / "data" / "train.txt", out / "data" / "test.txt"
    seed = ["--random-seed", settings.random_seed, "--overwrite"]  # of earlier demos; what others put there stays
    on_train = ["--dataset", "ucm", "--data-dir", data, "--data-list", train_list, *seed]
    on_test = ["--dataset", "ucm", "--data-dir", data, "--data-list", test_list]

    tiles = ["--tiles-per-class", settings.tiles_per_class]
    step("prepare_data.py", prepare_data.main, "demo", "--out", data, *tiles, *seed)

    choosing = ["--labeled-ratio", RATIO, "--alpha", "0.4", "--beta", "0.5", "--save-dir", out / "active_learning"]
    learner = ["--model-name", "tiny", "--num-epochs", "6", "--batch-size", "8", "--learning-rate", "0.01"]
    step("train_AL.py", train_AL.main, *on_train, *choosing, *learner, "--input-size", "128,128", "--random-mirror")
    names_array = next((out / "active_learning").rglob("margin_names_*.npy"))
    choices: dict[str, list[object]] = {
        "chosen": ["--active-learning", "--active-learning-images-array", names_array],
        "random": ["--labeled-ratio", RATIO],
    }

    every = max(1, steps // 4)
    for choice, labels in choices.items():
        checkpoints, results = out / choice / "checkpoint", out / choice / "results"
        network = ["--backbone", "tiny", "--restore-from", "none", "--learning-rate", "0.0015"]
        learning = ["--method", settings.method, *(["--threshold-st", "0.6"] if settings.method == "s4gan" else [])]
        schedule = ["--num-steps", steps, "--batch-size", "4", "--save-pred-every", every]
        crops = ["--input-size", "128,128", "--random-mirror", "--checkpoint-dir", checkpoints]
        step("train_s4gan.py", train_s4gan.main, *on_train, *labels, *learning, *network, *schedule, *crops)
        last = steps // every * every
        chosen = ["--start-eval", every, "--end-eval", last, "--step-eval", every]
        folders = ["--checkpoint-dir", checkpoints, "--save-dir", results]
        step("auto_evaluate.py", auto_evaluate.main, *on_test, *chosen, *folders, "--overwrite")
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
    titles, means = {"chosen": "active learner", "random": "random choice"}, []
    print(f"\n{'labels':<22}{'tiles':>6}{'mean IoU':>10}{'pixel acc.':>12}{'colour-only mean IoU':>22}")
    for choice, title in titles.items():
        file = next((out / choice / "results").glob("best_scores_[0-9]*.json"))
        scores = json.loads(file.read_text(encoding="utf-8"))
        labelled = read_names_array(out / choice / "checkpoint" / "labelled_names.txt", UCM, train_names, train_list)
        colours = colour_baseline(out / "data", train_names, labelled, test_names)
        figures = f"{scores['Mean IoU']:>10.3f}{scores['Pixel Accuracy']:>12.3f}{colours:>22}"
        print(f"{title:<22}{len(labelled):>6}{figures}")
        means.append(scores["Mean IoU"])
    difference = means[0] - means[1]
    better = f"the {'active' if difference > 0 else 'random'} choice" if difference else "no choice"
    result = f"{better} did better by {abs(difference):.3f} mean IoU in this one run"
    print(f"{result}, scored on {len(test_names)} tiles that also chose")
    print(
        "the checkpoint: one seed and few tiles prove nothing. Colour-only is a logistic regression on a pixel's RGB."
    )
    print(f"\npictures to look at:\n  chosen tiles              {next((out / 'active_learning').rglob('chosen.png'))}")
    for choice in titles:
        print(f"  {choice + ', evaluated':<25} {out / choice / 'results' / 'report.html'}")


def colour_baseline(data: Path, train_names: list[str], labelled: list[str], test_names: list[str]) -> str:
    """Mean IoU of what colours alone tell, fitted on the labelled tiles."""

    def pairs(tiles: Tiles) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((tiles.image(tile), tiles.mask(tile)) for tile in tiles.indices_of(tiles.labelled))

    train, test = open_tiles(UCM, data, train_names, labelled), open_tiles(UCM, data, test_names, test_names)
    return fraction(score_colours(pairs(train), pairs(test), UCM.num_classes).mean_iou)


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(demo, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
