"""What lies in a run's folder: which checkpoint is meant, and what network it is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model.networks.names import BACKBONES
from utils.errors import DataError, OptionError
from utils.runs.folder import RunFolder
from utils.runs.record import RunRecord, read_record
from utils.settings import SettingsError
from utils.wording import worded


def find_checkpoint(path: Path) -> Path:
    """A checkpoint file, or of a run's folder its best.pth, or else its newest checkpoint.

    Raises:
        OptionError: there is none.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise OptionError(f"{path} is not there; give the folder of a training run, or a checkpoint file")
    folder = RunFolder(path)
    if folder.best.is_file():
        return folder.best
    if not (steps := folder.steps()):
        raise SettingsError(
            "{} holds neither best.pth nor a checkpoint<step>.pth; give the folder of a training run, or {checkpoint} "
            "with a file",
            path,
        )
    return folder.network(steps[-1])


def checkpoint_of(given: Path | None, run_dir: Path) -> Path:
    """The checkpoint that the fields `checkpoint` and `checkpoint_dir` of settings mean.

    Args:
        given: the file; None: of the run, as `find_checkpoint` says.
        run_dir: the run's folder.

    Raises:
        SettingsError: there is no such file or folder, or the folder holds no checkpoint.
    """
    if given is not None and not given.is_file():
        raise SettingsError("{checkpoint} {} is no file; give a checkpoint<step>.pth or best.pth", given)
    if given is None and not run_dir.is_dir():
        raise SettingsError(
            "{checkpoint_dir} {} is not a folder; give the folder of a training run, or {checkpoint} with a file",
            run_dir,
        )
    return find_checkpoint(given or run_dir)


def read_run(options: Path, backbone: str | None = None) -> RunRecord | None:
    """What an options.json says of a network; None where there is none.

    Args:
        options: the file.
        backbone: name that goes before that of the file.

    Raises:
        DataError: the file is damaged, or its backbone is not known.
    """
    if not options.is_file():
        return None
    record = read_record(options)
    name = backbone or record.backbone
    if name not in BACKBONES:
        message = "{} names the backbone {}, known are {}; give {backbone}"
        raise DataError(worded(message, options, repr(name), ", ".join(BACKBONES)))
    return replace(record, backbone=name)


def require_classes(record: RunRecord, classes: Sequence[str], source: Path) -> None:
    """Refuse a data set with other classes than a network's.

    Args:
        record: of the network.
        classes: of the data set.
        source: where the record is from, for the message.

    Raises:
        OptionError: names the classes that the network does not have.
    """
    if list(classes) == list(record.classes):
        return
    unknown = [f"'{name}' (id {index})" for index, name in enumerate(classes) if name not in record.classes]
    found = f"the network has no {', '.join(unknown[:3])}" if unknown else "their order or number differs"
    raise OptionError(
        f"the {len(record.classes)} classes in {source} differ from the data set's {len(classes)}: {found}; give the "
        "data set that the run was trained on"
    )
