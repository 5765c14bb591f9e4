"""What a resumed training run has to share with its beginning: method, options and labelled tiles."""

import re
from collections.abc import Sequence

from utils.errors import DataError, OptionError
from utils.paths import read_bytes
from utils.runs.folder import RunFolder, refuse_other_options
from utils.runs.record import RunRecord, read_record
from utils.settings import SettingsError

# Settings that may differ between a run and its resumption: where it runs, what it reports, what it keeps.
FREE_ON_RESUME = {
    "cache_dir", "cache_limit", "checkpoint_dir", "compile", "cuda", "device", "eval_every", "generator_viz_dir", "gpu",
    "keep_last", "log_every", "max_hours", "no_cache", "num_workers", "overwrite", "resume", "save_after_iter",
    "save_pred_every", "save_state_every", "save_viz", "val_batch_size",
}  # fmt: skip


def refuse_another_run(folder: RunFolder, record: RunRecord, labelled: Sequence[str]) -> None:
    """Refuse to go on with a run as another one.

    Args:
        folder: of the run.
        record: what the run says of itself now; its options may differ in `FREE_ON_RESUME` alone.
        labelled: names of the tiles that are labelled now.

    Raises:
        OptionError: the method or an option differs that may not.
        DataError: its record or its names cannot be read, or other tiles are labelled now.
    """
    recorded = read_record(folder.options)
    if recorded.method != record.method:
        raise SettingsError(
            "the run in {} cannot be resumed with another method: it was {} and is {}; give the same one, or another "
            "{checkpoint_dir}",
            folder.path,
            recorded.method,
            record.method,
        )
    refuse_other_options(recorded.options, record.options, FREE_ON_RESUME, folder.path, "checkpoint_dir")
    text = read_bytes(folder.labelled_names, OptionError).decode("utf-8", "replace")
    if [name for name in re.split(r"\r\n|\n|\r", text) if name] != list(labelled):
        raise DataError(f"{folder.labelled_names} differs from the tiles labelled now; the data have changed")
