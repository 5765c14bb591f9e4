"""Preparing a data folder: built under a private name, put in place whole, and left alone where nothing changed.

The downloads of UC Merced with DLRSD and of DeepGlobe and the demo set are prepared here, scenes in `data.scenes`.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data.archives import Source, SourceFile, digest, open_source
from data.dataset_json import load_description
from data.decode import read_ids
from data.demo import draw_demo
from data.descriptions import DEEPGLOBE, UCM, Description
from data.scene_labels import read_class_map, read_scene_labels
from data.splits import read_names, split_names, tile_name, write_names
from data.tiles import TileReader, check_files
from utils.checkpoint import make_folder, read_json, storage_error, write_json
from utils.errors import DataError, OptionError, warn
from utils.labels import count_classes
from utils.suggest import first_names, unknown
from utils.threads import in_threads

MANIFEST = "prepared.json"  # says what a folder was prepared from; a folder without it is never replaced
_FORMAT = 1  # of what is written; another one means other bytes from the same options
_LISTED_CLASSES = 8  # up to so many scene classes are counted one by one


@dataclass(frozen=True)
class Target:
    """Where to prepare, and how the tiles are shared out.

    Attributes:
        out: the data folder to be.
        test_share: share of the tiles with masks in `test.txt`, in [0, 1).
        val_share: share of the remaining ones in `val.txt`, in [0, 1).
        seed: seed of the lists.
        copy: copy files that could be linked.
        overwrite: replace a folder that was prepared in another way.
    """

    out: Path
    test_share: float = 0.2
    val_share: float = 0.0
    seed: int = 0
    copy: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Contents:
    """What was put into a data folder.

    Attributes:
        description: the data set.
        names: all tiles, in the order of the lists.
        masked: those with a mask.
        scene_labels: scene class by name, of those that have one.
        origin: where the tiles come from, for the report.
        pixel_shares: share of the labelled pixels by class, where it is known.
    """

    description: Description
    names: Sequence[str]
    masked: Collection[str]
    scene_labels: Mapping[str, str]
    origin: str = ""
    pixel_shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What a command says at its end.

    Attributes:
        found: three lines on images, masks and lists.
        is_new: whether anything was written.
    """

    found: Sequence[str]
    is_new: bool


# --- The downloads ----------------------------------------------------------------------------------------------------


def prepare_ucm(images: Path, masks: Path | None, target: Target) -> Report:
    """Prepare UC Merced Land Use, with the masks of DLRSD where they are given.

    Args:
        images: `UCMerced_LandUse`, folder or zip, with `<class><number>.tif` at any depth.
        masks: `DLRSD`, folder or zip, with `<class><number>.png` at any depth.
        target: where to, and how.

    Raises:
        OptionError: a path that does not exist, or `target.out` holds something else.
        DataError: no tiles, a tile twice, or a zip that is damaged or not safe.
    """
    image_source = open_source(images, "--images")
    mask_source = open_source(masks, "--masks") if masks else None
    image_files = _tiles_of(image_source, (".tif", ".tiff"))
    strangers = sorted(name for name in image_files if not _is_ucm_name(name))
    if len(strangers) == len(image_files):
        raise DataError(f"{images} holds no tile of UC Merced; expected files such as agricultural00.tif at any depth")
    if strangers:
        warn(f"{len(strangers)} files in {images} are no tiles of UC Merced and are left out: {first_names(strangers)}")
    image_files = {name: file for name, file in image_files.items() if _is_ucm_name(name)}
    mask_files = _tiles_of(mask_source, (".png",)) if mask_source else {}
    sources = [(UCM.images, image_source, image_files)]
    if mask_source:
        mask_files = matching(mask_source, mask_files, image_files)
        sources.append((UCM.masks, mask_source, mask_files))

    def fill(folder: Path) -> Contents:
        for template, source, files in sources:
            _place(folder, template, source, files, target.copy)
        names = sorted(image_files)
        return Contents(UCM, names, set(mask_files), read_scene_labels(UCM, folder, names))

    return prepare_folder("ucm", {}, sources, target, fill)


def prepare_deepglobe(pairs: Path, class_map: Path | None, target: Target) -> Report:
    """Prepare DeepGlobe Land Cover.

    Args:
        pairs: folder or zip with `<id>_sat.jpg` and `<id>_mask.png` at any depth; images without a mask are fine.
        class_map: JSON {id: scene class}; None: each mask's dominant class.
        target: where to, and how.

    Raises:
        OptionError: a path that does not exist, or `target.out` holds something else.
        DataError: no tiles, a tile twice, a damaged mask, or a zip that is damaged or not safe.
    """
    source = open_source(pairs, "--source")
    image_files, mask_files = _tiles_of(source, ("_sat.jpg",)), _tiles_of(source, ("_mask.png",))
    if not image_files:
        raise DataError(f"{pairs} holds no image of DeepGlobe; expected files such as 119_sat.jpg at any depth")
    check_names(image_files, pairs)
    mask_files = matching(source, mask_files, image_files) if mask_files else {}
    given = _given_class_map(class_map, image_files) if class_map else None

    def fill(folder: Path) -> Contents:
        _place(folder, DEEPGLOBE.images, source, image_files, target.copy)
        _place(folder, DEEPGLOBE.masks, source, mask_files, target.copy)
        names = sorted(image_files)
        labels = given if given is not None else _dominant_classes(folder, sorted(mask_files))
        write_json(folder / "class_map.json", labels)
        return Contents(DEEPGLOBE, names, set(mask_files), labels)

    sources = [(DEEPGLOBE.images, source, image_files), (DEEPGLOBE.masks, source, mask_files)]
    return prepare_folder("deepglobe", {"class_map": {"digest": digest(given)}}, sources, target, fill)


def prepare_demo(tiles_per_class: int, target: Target) -> Report:
    """Draw the demo set, in the layout of UC Merced with the masks of DLRSD.

    Args:
        tiles_per_class: 1 to 100.
        target: where to, and how; its seed also draws the tiles.

    Raises:
        OptionError: `target.out` holds something else.
    """

    def fill(folder: Path) -> Contents:
        names = draw_demo(folder, tiles_per_class, target.seed)
        return Contents(UCM, names, names, read_scene_labels(UCM, folder, names), origin=", drawn")

    return prepare_folder("demo", {"tiles_per_class": tiles_per_class}, [], target, fill)


def _tiles_of(source: Source, endings: tuple[str, ...]) -> dict[str, SourceFile]:
    """The files with one of the endings, by the name before it."""
    found: dict[str, SourceFile] = {}
    for file in source.files:
        ending = next((e for e in endings if file.name.lower().endswith(e)), None)
        if ending is None:
            continue
        name = file.name[: -len(ending)]
        if name in found:
            raise DataError(
                f"{source.path} holds '{name}' twice, as {found[name].path} and {file.path}; give the folder of one"
            )
        found[name] = file
    return found


def _is_ucm_name(name: str) -> bool:
    match = re.fullmatch(r"([A-Za-z]+)[0-9]+", name)
    return match is not None and match[1].lower() in (UCM.scene_classes or ())


def _place(folder: Path, template: str, source: Source, files: Mapping[str, SourceFile], copy: bool) -> None:
    (folder / template).parent.mkdir(exist_ok=True)
    source.place([(file, folder / template.format(name=name)) for name, file in sorted(files.items())], copy)


def _given_class_map(path: Path, names: Collection[str]) -> dict[str, str]:
    if not path.is_file():
        raise OptionError(f"no class map at {path}; give a JSON file of {{tile id: scene class}}, or leave it out")
    known = DEEPGLOBE.scene_classes or ()
    labels = {tile_name(key, DEEPGLOBE): label for key, label in read_class_map(path).items()}
    for name, label in labels.items():
        if label not in known:
            raise DataError(f"{path}: '{name}' has {unknown('scene class', label, known)}")
    names = sorted(names)
    labels = {name: labels[name] for name in names if name in labels}
    if not labels:
        raise DataError(f"{path} names none of the {len(names)} tiles; expected ids such as {first_names(names)}")
    return labels


def _dominant_classes(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """The scene class that most pixels of each mask have; masks without any class are left out."""
    reader = TileReader(DEEPGLOBE, folder, (0, 0))

    def count(name: str) -> tuple[np.ndarray, float]:
        ids, off_palette = read_ids(reader.mask_path(name).resolve(), DEEPGLOBE)
        return count_classes(ids, DEEPGLOBE.num_classes), off_palette

    counts = in_threads(count, names, "dominant classes", "mask")
    warn_off_palette({name: share for name, (_, share) in zip(names, counts, strict=True)})
    scene_classes = DEEPGLOBE.scene_classes or ()
    return {n: scene_classes[int(c.argmax())] for n, (c, _) in zip(names, counts, strict=True) if c.any()}


# --- One folder -------------------------------------------------------------------------------------------------------


def prepare_folder(
    kind: str,
    options: Mapping[str, Any],
    sources: Sequence[tuple[str, Source, Mapping[str, SourceFile]]],
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
    out = target.out.resolve()
    for _, source, _ in sources:
        _check_apart(out, source.path)
    manifest = {
        "version": _FORMAT,
        "source": kind,
        "options": {
            **options,
            "copy": target.copy,
            "test_share": target.test_share,
            "val_share": target.val_share,
            "random_seed": target.seed,
        },
        "files": {
            what.partition("/")[0]: {"count": len(files), "digest": digest(sorted(map(astuple, files.values())))}
            for what, _, files in sources
        },
    }
    if (found := _found_before(out, manifest, target)) is not None:
        return Report(found, is_new=False)
    with _built_beside(out) as folder:
        contents = fill(folder)
        lists, idle = share_out(contents, target)
        for name, members in lists.items():
            write_names(folder / f"{name}.txt", members)
            if read_names(folder / f"{name}.txt", contents.description) != members:
                raise DataError(f"{name}.txt does not read as it was written; rename files with unusual names")
        found = _report(contents, lists, idle)
        write_json(folder / MANIFEST, {**manifest, "found": found})
    return Report(found, is_new=True)


def _check_apart(out: Path, source: Path) -> None:
    """Neither may lie in the other: a rebuilt folder would take its source along, a source would hold its result."""
    real = source.resolve()
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
    changed = _differences(before, json.loads(json.dumps(manifest)))
    if not changed and (fault := _fault(out, manifest["source"])) is None:
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
    private = out.with_name(f".{out.name}.{os.getpid()}-{secrets.token_hex(4)}")
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


def _put_in_place(private: Path, out: Path) -> None:
    old = private.with_name(f"{private.name}.old")
    try:
        if out.is_dir() and any(out.iterdir()):
            out.rename(old)
        private.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


# --- Lists and report -------------------------------------------------------------------------------------------------


def share_out(contents: Contents, target: Target) -> tuple[dict[str, list[str]], int]:
    """Draw the lists: stratified by scene class, or by scene where tiles were cut from scenes.

    Returns:
        The lists `train`, `test` and `val`, of which only `train` holds tiles without a mask, and empty ones are left
        out; and the number of tiles in no list: without a mask, from a scene that test or validation uses.
    """
    description, labels = contents.description, contents.scene_labels
    group = {name: scene for name in contents.names if (scene := description.group_of(name)) is not None}
    train = [name for name in contents.names if name in contents.masked]
    lists: dict[str, list[str]] = {}
    for part, share in (("test", target.test_share), ("val", target.val_share)):
        if share and len(train) > 1:
            if group and len({group.get(name) for name in train}) == 1:
                warn(f"{part}.txt and train.txt share one scene, so they are neighbours; more scenes would part them")
            train, lists[part] = split_names(train, share, target.seed, labels, group)
    scenes_held_out = {group.get(n) for part in lists.values() for n in part} - {group.get(n) for n in train}
    train_names = set(train)
    for name in contents.names:
        if name not in contents.masked and (name not in group or group[name] not in scenes_held_out):
            train_names.add(name)
    lists = {"train": [name for name in contents.names if name in train_names], **lists}
    idle = len(contents.names) - sum(map(len, lists.values()))
    return {part: names for part, names in lists.items() if names}, idle


def _report(contents: Contents, lists: Mapping[str, Sequence[str]], idle: int) -> list[str]:
    total, masked = len(contents.names), len(contents.masked)
    images = f"{total} tiles{contents.origin}{_scene_classes(contents)}"
    masks = f"{masked} of {total} tiles" if masked else f"none of {total} tiles"
    if contents.pixel_shares:
        masks += "; " + ", ".join(f"{name} {share:.1%}" for name, share in contents.pixel_shares.items())
    elif masked:
        masks += f", {contents.description.num_classes} pixel classes"
    if masked < total:
        masks += "; tiles without one are the unlabelled pool"
    sizes = ", ".join(f"{part}.txt {len(names)}" for part, names in lists.items())
    if not masked:
        sizes += "; test and validation lists need tiles with masks"
    if idle:
        sizes += f"; in none: {idle} without a mask, from scenes of the test or validation list"
    return [f"images  {images}", f"masks   {masks}", f"lists   {sizes}"]


def _scene_classes(contents: Contents) -> str:
    if contents.description.scene_classes is None:
        return ", no scene classes"
    counts = Counter(contents.scene_labels.values())
    if not counts:
        return f", {len(contents.description.scene_classes)} scene classes, no tile labelled"
    unlabelled = len(contents.names) - counts.total()
    ending = f", none {unlabelled}" if unlabelled else ""
    if len(counts) <= _LISTED_CLASSES:
        in_order = [f"{name} {counts[name]}" for name in contents.description.scene_classes if name in counts]
        return f", scene classes {', '.join(in_order)}{ending}"
    low, high = min(counts.values()), max(counts.values())
    return f", {len(counts)} scene classes of {low if low == high else f'{low} to {high}'} tiles each{ending}"


# --- Shared with data.scenes ------------------------------------------------------------------------------------------


def matching(source: Source, masks: Mapping[str, SourceFile], images: Collection[str]) -> dict[str, SourceFile]:
    """The masks that have an image.

    Args:
        source: where the masks come from.
        masks, images: their names; of the masks, with the files.

    Raises:
        DataError: there is none, so that one of the two must be the wrong folder.
    """
    matching = {name: file for name, file in masks.items() if name in images}
    if not matching:
        raise DataError(
            f"{source.path} holds no mask of an image: {len(masks)} masks ({first_names(sorted(masks))}), "
            f"{len(images)} images ({first_names(sorted(images))}); the names before the endings must be the same"
        )
    if strangers := sorted(name for name in masks if name not in images):
        warn(f"{len(strangers)} masks in {source.path} have no image and are left out: {first_names(strangers)}")
    return matching


def check_names(names: Collection[str], where: Path) -> None:
    """Refuse names that a list of names could not hold.

    Raises:
        DataError: a name with unprintable characters, or blanks at its ends.
    """
    for name in names:
        if not name or not name.isprintable() or name != name.strip():
            raise DataError(f"{where}: {name!r} cannot stand in a list of names; rename the file")


def warn_off_palette(shares: Mapping[str, float]) -> None:
    """One line on the masks that hold colours or ids of no class.

    Args:
        shares: share of such pixels, by mask.
    """
    if odd := {name: share for name, share in shares.items() if share}:
        worst = max(odd, key=lambda name: odd[name])
        warn(f"{len(odd)} masks hold pixels of no class, which are ignored (most in {worst}: {odd[worst]:.2%})")
