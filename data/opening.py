"""Opening a data set from Python: its tiles, with the masks that are there."""

from collections.abc import Sequence
from pathlib import Path

from data.lists.splits import read_names
from data.reader import names_with_masks, open_reader
from data.settings import DataSettings
from data.tiles import Tiles, open_tiles
from utils.errors import OptionError


def open_dataset(
    dataset: str,
    data_dir: str | Path,
    data_list: str | Path = "train.txt",
    labelled: Sequence[str] | None = None,
    keeps_cache: bool = True,
) -> Tiles:
    """Open the tiles of a list.

    Args:
        dataset: `ucm`, `deepglobe` or `custom` (then `dataset.json` lies in the folder), in any case.
        data_dir: the data set's folder.
        data_list: file of tile names, one a line; a relative path that is not there is looked for in the folder.
        labelled: names, of the list, of the tiles whose masks may be looked at; None: all that have one.
        keeps_cache: keep decoded tiles in `.cache` below the folder, where the next opening takes seconds.

    Returns:
        The tiles: `tiles.image(i)` is uint8 RGB (H, W, 3), `tiles.mask(i)` class ids, uint8 (H, W), 255 for no class.

    Raises:
        OptionError: unknown data set, no such folder or list, or `labelled` names no tiles of the list.
        DataError: a file is missing or cannot be used.
    """
    folder, path = Path(data_dir), Path(data_list)
    if not path.is_file() and (folder / path).is_file():
        path = folder / path
    data = DataSettings(dataset, folder, path, no_cache=not keeps_cache)
    description = data.description()
    names = read_names(path, description)
    if labelled is not None:
        _check_labelled(labelled, names, path)
    else:
        labelled = names_with_masks(open_reader(description, folder, names), names, needs_folder=False)
    return open_tiles(description, folder, names, labelled, data.cache())


def _check_labelled(labelled: Sequence[str], names: Sequence[str], path: Path) -> None:
    if isinstance(labelled, str):
        raise OptionError(f"labelled is the text '{labelled}', expected a list of names, such as ['{labelled}']")
    known = set(names)
    if strangers := [name for name in labelled if name not in known]:
        raise OptionError(
            f"labelled names {len(strangers)} tiles that are not in {path}, the first is '{strangers[0]}'; expected "
            "names of the list"
        )
