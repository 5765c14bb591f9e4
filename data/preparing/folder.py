"""Preparing a data folder: built under a private name, put in place whole, and left alone where nothing changed."""

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from data.dataset_json import load_description, read_description
from data.descriptions import Description
from data.footprints.names import TILES_CSV
from data.lists.splits import read_names
from data.preparing.archives import Listing, SourceFile, digest
from data.preparing.others import carry_over, files_of_others, list_files
from data.preparing.prepared_set import Contents, Earlier, report_lines, share_out
from data.preparing.settings import Target
from data.reader import TileReader, check_files
from utils.console import say
from utils.errors import DataError, OptionError
from utils.paths import private_beginning, private_name
from utils.runs.files import make_folder, read_json, storage_error, write_json, write_names
from utils.runs.lock import has_ended
from utils.suggest import first_names

MANIFEST = "prepared.json"  # says what a folder was prepared from; a folder without it is never replaced
_OLD = ".old"  # ends the private name of a folder that is being replaced
_ABANDONED = 24 * 3600  # seconds without a new file after which a private folder's process was killed, on whatever host
_FORMAT = 2  # of what is written; another one means other bytes from the same options


@dataclass(frozen=True)
class Report:
    """What a command says at its end.

    Attributes:
        found: three lines on images, masks and lists.
        is_new: whether anything was written.
    """

    found: Sequence[str]
    is_new: bool


def prepare_folder(
    kind: str,
    options: Mapping[str, Any],
    sources: Sequence[tuple[str, Listing, Mapping[str, SourceFile]]],
    target: Target,
    fill: Callable[[Path], Contents],
) -> Report:
    """Build a data folder with its lists, unless it is there already.

    Args:
        kind: the sub-command.
        options: what the files depend on beside `sources` and `target`, as values for JSON.
        sources: where the files come from: what they become, the source, and its files by name.
        target: where to, and how.
        fill: writes images, masks and labels into an empty folder beside `target.out`.

    Raises:
        OptionError: `target.out` cannot be written, or holds something else.
        DataError: the disk is full, or the folder was damaged.
    """
    out = Path(os.path.realpath(target.out))  # unlike Path.resolve it takes links that lead to themselves
    _recover(out)
    for _, source, _ in sources:
        _check_apart(out, source.path)
    manifest = {
        "version": _FORMAT,
        "source": kind,
        "options": {**options, **_options_of(target)},
        "files": {
            what.partition("/")[0]: {"count": len(files), "digest": digest(sorted(map(astuple, files.values())))}
            for what, _, files in sources
        },
    }
    if (found := _found_before(out, manifest, target)) is not None:
        return Report(found, is_new=False)
    with _built_beside(out) as folder:
        contents = fill(folder)
        earlier, note = _earlier(out, manifest, contents.description, target)
        shares = {"test": target.test_share, "val": target.val_share}
        lists, idle = share_out(contents, shares, target.random_seed, earlier)
        contents.complete(folder, lists)
        for name, members in lists.items():
            write_names(folder / f"{name}.txt", members)
            if read_names(folder / f"{name}.txt", contents.description) != members:
                raise DataError(f"{name}.txt does not read as it was written; rename files with unusual names")
        found = report_lines(contents, lists, idle)
        if earlier is not None:
            note = _what_changed(contents, earlier)
        found += [note] if note else []
        write_json(folder / MANIFEST, {**manifest, "found": found, "written": list_files(folder)})
        kept = carry_over(_others_in(out), out, folder)  # not before: people may add files while this one is built
    if kept:
        say(f"kept in {target.out}, as this command did not write them: {first_names(kept, 10)}")
    return Report(found, is_new=True)


_OF_LISTS = (  # options that lists depend on, beside the tiles
    "test_share", "val_share", "random_seed", "tile_size", "stride", "group", "block_size", "gap", "scene_labels",
)  # fmt: skip


def _earlier(
    out: Path, manifest: Mapping[str, Any], description: Description, target: Target
) -> tuple[Earlier | None, str]:
    """What the folder that is replaced held, if lists are drawn by the same rules; else why its own are not kept."""
    if target.new_lists or not (out / MANIFEST).is_file():
        return None, ""
    before, now = read_json(out / MANIFEST), json.loads(json.dumps(manifest))
    if before.get("source") != now["source"]:
        return None, ""
    options = before.get("options", {})
    if changed := [key for key in _OF_LISTS if options.get(key) != now["options"].get(key)]:
        return None, f"drawn   the lists anew, as {', '.join(changed)} changed"
    try:
        lists = {path.stem: read_names(path, description) for path in sorted(out.glob("*.txt"))}
    except (DataError, OptionError) as error:
        return None, f"drawn   the lists anew: {error}"
    lists = {part: names for part, names in lists.items() if part in ("train", "test", "val")}
    listed = {name for names in lists.values() for name in names}
    table = out / TILES_CSV
    from data.footprints.records import read_tiles_csv  # with GDAL

    names = {record.name for record in read_tiles_csv(table)} if table.is_file() else listed
    reader = TileReader(_description_of(out, description), out, (0, 0))
    return Earlier(lists, names | listed, {name for name in names | listed if reader.has_mask(name)}), ""


def _description_of(out: Path, description: Description) -> Description:
    """The description that a folder was prepared with, or the present one where it has none of its own."""
    return read_description(out / "dataset.json") if (out / "dataset.json").is_file() else description


def _what_changed(contents: Contents, earlier: Earlier) -> str:
    """A line on lists that were kept, with the tiles that became labelled."""
    became = sorted(set(contents.masked) - set(earlier.masked))
    line = "kept    the lists of before (--new-lists draws others)"
    if became:
        line += f"; {len(became)} tiles became labelled: {first_names(became, 10)}"
    return line


def _others_in(out: Path) -> list[str]:
    return files_of_others(out, read_json(out / MANIFEST), MANIFEST) if (out / MANIFEST).is_file() else []


def _options_of(target: Target) -> dict[str, Any]:
    return {
        "copy": target.copy,
        "test_share": target.test_share,
        "val_share": target.val_share,
        "random_seed": target.random_seed,
    }


def _check_apart(out: Path, source: Path) -> None:
    """Neither may lie in the other: a rebuilt folder would take its source along, a source would hold its result."""
    real = Path(os.path.realpath(source))
    if out == real or out in real.parents or real in out.parents:
        raise OptionError(f"--out {out} and {source} lie in each other; choose a folder beside it")


def _found_before(out: Path, manifest: Mapping[str, Any], target: Target) -> list[str] | None:
    """What the report said when the same was prepared here; None where there is nothing, or it may be replaced."""
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out {target.out} is a file; give a folder")
    if os.path.ismount(out):
        raise OptionError(f"--out {target.out} is a mount point, which cannot be replaced; give a folder inside it")
    if not out.is_dir() or not any(out.iterdir()):
        return None
    if not (out / MANIFEST).is_file():
        raise OptionError(f"--out {target.out} holds files, but no {MANIFEST} of this command; give an empty folder")
    before = read_json(out / MANIFEST)
    found = before.pop("found", None)
    before.pop("written", None)
    changed = _differences(before, json.loads(json.dumps(manifest)))
    fault = None if changed else _fault(out, manifest["source"])
    if not changed and fault is None and not (target.new_lists and target.overwrite):
        return list(found or [])
    if target.overwrite:
        return None
    reason = f"was prepared differently ({', '.join(changed)})" if changed else f"is no longer whole ({fault})"
    raise OptionError(f"--out {target.out} {reason}; give another folder, or --overwrite to replace it")


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if not isinstance(before, dict) or not isinstance(now, dict):
        short = all(len(str(value)) <= 40 for value in (before, now)) and name != "digest"
        return [] if before == now else [f"{name}: {before}, now {now}" if short else f"other {name}"]
    found = []
    for key in {**before, **now}:
        below = _differences(before.get(key), now.get(key), key)
        found += [f"other {key}"] if below == ["other digest"] else below
    return found


def _fault(out: Path, kind: str) -> str | None:
    """What is missing in a prepared folder."""
    try:
        description = load_description(
            "custom" if kind == "scenes" else "deepglobe" if kind == "deepglobe" else "ucm", out
        )
        lists = {path.stem: read_names(path, description) for path in out.glob("*.txt")}
        names = read_names(out / "train.txt", description)
        masked = [name for part in ("test", "val") for name in lists.get(part, [])]
        check_files(TileReader(description, out, (0, 0)), [*names, *masked], masked)
    except (DataError, OptionError) as error:
        return str(error).partition(";")[0]
    return None


@contextlib.contextmanager
def _built_beside(out: Path) -> Iterator[Path]:
    """An empty folder beside `out` that takes its place at the end, or vanishes with an error."""
    made = [parent for parent in out.parents if not parent.exists()]
    private = _private_folder(out)
    is_done = False
    try:
        make_folder(private)
        yield private
        _put_in_place(private, out)
        is_done = True
    except OSError as error:
        raise storage_error(out, error) from error
    except (DataError, OptionError) as error:
        raise type(error)(str(error).replace(str(private), str(out))) from error
    finally:
        shutil.rmtree(private, ignore_errors=True)
        for parent in [] if is_done else made:
            with contextlib.suppress(OSError):
                parent.rmdir()


def _recover(out: Path) -> None:
    """Bring back the old folder where a process was killed between the two renames that replace it.

    What else killed processes left is removed: folders that they built, and old ones that were replaced.
    """
    if not out.parent.is_dir():
        return
    left = sorted(out.parent.glob(f"{glob.escape(private_beginning(out))}.*"))
    old = [path for path in left if path.name.endswith(_OLD)]
    if old and not os.path.lexists(out):
        old[-1].rename(out)
    for path in left:
        is_needed = path in old and not (out / MANIFEST).is_file()  # what is at `out` is not what replaced it
        if path.is_dir() and not is_needed and _is_abandoned(out, path):
            shutil.rmtree(path, ignore_errors=True)


def _private_folder(out: Path) -> Path:
    """A new name beside `out`, which tells process and host."""
    return private_name(out, f".{_host()}")


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_abandoned(out: Path, private: Path) -> bool:
    """Whether a folder beside `out` was a preparation's whose process has ended, as this host knows or by its age."""
    name = re.fullmatch(r"\.(\d+)-[0-9a-f]+(?:\.([0-9a-f]{8}))?(?:\.old)?", private.name[len(private_beginning(out)) :])
    if name is None:
        return False
    if name[2] == _host() and has_ended(int(name[1])):
        return True
    with contextlib.suppress(OSError):  # another process was faster
        times = [Path(folder).lstat() for folder, _, _ in os.walk(private)]
        return bool(times) and time.time() - max(max(t.st_mtime, t.st_ctime) for t in times) > _ABANDONED
    return False


def _put_in_place(private: Path, out: Path) -> None:
    old = private.with_name(f"{private.name}{_OLD}")
    try:
        if out.is_dir() and any(out.iterdir()):
            out.rename(old)
        private.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
