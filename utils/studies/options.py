"""Options of a study's commands: which may be given, and how they become words of a command line."""

from collections.abc import Iterator, Mapping
from typing import Any

from utils.settings import require
from utils.suggest import unknown

# What jobs do: pretrain.py, train_AL.py, train_s4gan.py, auto_evaluate.py.
COMMANDS = ("pretrain", "select", "train", "evaluate")
Options = Mapping[str, Any]  # of a command, by their names with underscores

# What the grid says itself, and what would make jobs of one study differ from each other without being seen.
SET_BY_THE_STUDY = {
    "active_learning", "active_learning_images_array", "all", "backbone", "budget", "checkpoint_dir",
    "classifier_weights", "data_dir", "data_list", "dataset", "dataset_name", "end_eval", "follow", "keep_last",
    "labeled_ratio", "max_hours", "method", "model_name", "oracle", "overwrite", "query_strategy", "random_seed",
    "restore_from", "resume", "save_dir", "start_eval", "step_eval", "supervised_only", "test_list", "val_list",
}  # fmt: skip


def check_options(options: Mapping[str, Options]) -> None:
    """Refuse options that the study sets itself, and those of no command.

    Raises:
        SettingsError: there is one.
    """
    for command, given in options.items():
        require(command in COMMANDS, "{}", unknown("command", command, COMMANDS))
        for name in given:
            require(
                name.replace("-", "_") not in SET_BY_THE_STUDY,
                "option {} of [{}] is set by the study itself; leave it out",
                name,
                command,
            )


def words_of(options: Options) -> Iterator[str]:
    """Options as words of a command line: True is a flag, False none, a list is joined by commas."""
    for name, value in sorted(options.items()):
        option = "--" + name.replace("_", "-")
        if value is True:
            yield option
        elif value is not False:
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield from ([f"{option}={text}"] if text.startswith("-") else [option, text])
