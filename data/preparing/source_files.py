"""Which files of a source are tiles: found by their endings, images matched with masks, put where they are read."""

from collections.abc import Collection, Mapping
from pathlib import Path

from data.preparing.archives import NO_FILE, Listing, Source, SourceFile
from utils.errors import DataError, warn
from utils.paths import no_file
from utils.suggest import first_names


def tiles_of(source: Listing, endings: tuple[str, ...]) -> dict[str, SourceFile]:
    """The files with one of the endings, by the name before it.

    Raises:
        DataError: two files have one name.
    """
    found: dict[str, SourceFile] = {}
    for file in source.files:
        ending = next((e for e in endings if file.name.lower().endswith(e)), None)
        if ending is None:
            continue
        require_file(source, file)
        name = file.name[: -len(ending)]
        if name in found:
            raise DataError(
                f"{source.path} holds '{name}' twice, as {found[name].path} and {file.path}; give the folder of one"
            )
        found[name] = file
    return found


def require_file(source: Listing, file: SourceFile) -> None:
    """Refuse a tile's file that cannot be read as one, such as a link that leads nowhere.

    Raises:
        DataError: says what it is.
    """
    if file.size == NO_FILE:
        path = source.path / file.path
        what = "is a link that leads nowhere" if path.is_symlink() and not path.exists() else no_file(path)
        raise DataError(f"{path} {what}; mend it or take it out of the folder")


def matching(source: Listing, masks: Mapping[str, SourceFile], images: Collection[str]) -> dict[str, SourceFile]:
    """The masks that have an image.

    Args:
        source: where the masks come from.
        masks, images: their names; of the masks, with the files.

    Raises:
        DataError: there is none, so that one of the two must be the wrong folder.
    """
    matched = {name: file for name, file in masks.items() if name in images}
    if not matched:
        raise DataError(
            f"{source.path} holds no mask of an image: {len(masks)} masks ({first_names(sorted(masks))}), "
            f"{len(images)} images ({first_names(sorted(images))}); the names before the endings must be the same"
        )
    if strangers := sorted(name for name in masks if name not in images):
        warn(f"{len(strangers)} masks in {source.path} have no image and are left out: {first_names(strangers)}")
    return matched


def check_names(names: Collection[str], where: Path) -> None:
    """Refuse names that a list of names could not hold.

    Raises:
        DataError: a name with unprintable characters, or blanks at its ends.
    """
    for name in names:
        if not name or not name.isprintable() or name != name.strip():
            raise DataError(f"{where}: {name!r} cannot stand in a list of names; rename the file")


def place_tiles(folder: Path, template: str, source: Source, files: Mapping[str, SourceFile], copy: bool) -> None:
    """Link, copy or unpack files to where `template` says that the tile of each name lies, below `folder`."""
    (folder / template).parent.mkdir(exist_ok=True)
    source.place([(file, folder / template.format(name=name)) for name, file in sorted(files.items())], copy)
