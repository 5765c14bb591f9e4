"""What was put into a data folder: its tiles, the lists they are shared out to, and what the report says of them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from data.checking.mask_values import MaskValues, off_palette_share, remarks
from data.decoding.orientation import UPRIGHT
from data.descriptions import Description, Exif
from data.lists.splits import split_names
from utils.errors import OptionError, warn

_LISTED_CLASSES = 8  # up to so many scene classes are counted one by one


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
        blocks: block of a tile, by name: tiles of one block stay on one side of a split; None: those of one scene.
        drop_near: names of training tiles that lie too near to those of other lists, by the lists.
        has_gap: whether there may be such.
        complete: called with the folder and the lists once they are drawn: writes what depends on them.
    """

    description: Description
    names: Sequence[str]
    masked: Collection[str]
    scene_labels: Mapping[str, str]
    origin: str = ""
    pixel_shares: Mapping[str, float] = field(default_factory=dict)
    blocks: Mapping[str, str] | None = None
    drop_near: Callable[[Mapping[str, Sequence[str]]], Sequence[str]] = lambda lists: ()
    has_gap: bool = False
    complete: Callable[[Path, Mapping[str, Sequence[str]]], None] = lambda folder, lists: None

    @property
    def groups(self) -> dict[str, str]:
        """What keeps tiles together, of those that are: their block, or their scene."""
        if self.blocks is not None:
            return dict(self.blocks)
        found = self.description.groups_of(self.names)
        return {name: scene for name, scene in found.items() if scene is not None}


@dataclass(frozen=True)
class Earlier:
    """What a data folder held before it is prepared anew.

    Attributes:
        lists: names by list.
        names: all its tiles, those in no list included.
        masked: those with a mask.
    """

    lists: Mapping[str, Sequence[str]]
    names: Collection[str]
    masked: Collection[str]


def share_out(
    contents: Contents, shares: Mapping[str, float], seed: int, before: Earlier | None = None
) -> tuple[dict[str, list[str]], int]:
    """Draw the lists: stratified by scene class, or by scene where tiles were cut from scenes.

    Args:
        contents: the tiles.
        shares: of the tiles with masks, by list, in [0, 1); a list takes its share of what those before it have left.
        seed: seed of the draws.
        before: an earlier preparation, whose lists tiles stay in; tiles that it had not are training tiles. None: draw
            the lists.

    Returns:
        These lists and `train`, of which only `train` holds tiles without a mask, and empty ones are left
        out; and the number of tiles in no list: without a mask, from a scene that test or validation uses.
    """
    if before is not None:
        return _as_before(contents, before)
    labels, group = contents.scene_labels, contents.groups
    train = [name for name in contents.names if name in contents.masked]
    lists: dict[str, list[str]] = {}
    for part, share in shares.items():
        if share and len(train) > 1:
            if group and len({group.get(name) for name in train}) == 1:
                warn(f"{part}.txt and train.txt share one scene, so they are neighbours; more scenes would part them")
            train, lists[part] = split_names(train, share, seed, labels, group)
    scenes_held_out = {group.get(n) for part in lists.values() for n in part} - {group.get(n) for n in train}
    train_names = set(train)
    for name in contents.names:
        if name not in contents.masked and (name not in group or group[name] not in scenes_held_out):
            train_names.add(name)
    lists = {"train": [name for name in contents.names if name in train_names], **lists}
    if near := set(contents.drop_near(lists)):
        lists["train"] = [name for name in lists["train"] if name not in near]
        if not lists["train"]:
            raise OptionError("--gap leaves no training tile; lower it, or give more scenes")
    idle = len(contents.names) - sum(map(len, lists.values()))
    return {part: names for part, names in lists.items() if names}, idle


def _as_before(contents: Contents, before: Earlier) -> tuple[dict[str, list[str]], int]:
    """The lists of an earlier preparation, as far as their tiles are still there, and new tiles in train."""
    there, masked = set(contents.names), set(contents.masked)
    lists = {
        part: [name for name in names if name in (there if part == "train" else masked)]
        for part, names in before.lists.items()
    }
    new = [name for name in contents.names if name not in before.names]
    lists = {"train": [*lists.pop("train", []), *new], **lists}
    idle = len(contents.names) - sum(map(len, lists.values()))
    return {part: names for part, names in lists.items() if names}, idle


def report_lines(contents: Contents, lists: Mapping[str, Sequence[str]], idle: int) -> list[str]:
    """Three lines on images, masks and lists; `lists` and `idle` as `share_out` returns them."""
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
        near = "nearer than --gap to these, or " if contents.has_gap else ""
        sizes += f"; in none: {idle} {near}without a mask, from scenes of the test or validation list"
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


class _Oriented(Protocol):
    """An image: the orientation in its EXIF data, and whether it is read as that says."""

    @property
    def orientation(self) -> int: ...

    @property
    def is_turned(self) -> bool: ...


def turns_of(headers: Iterable[_Oriented], exif: Exif) -> str:
    """How many images were turned as EXIF says, and how many were not although it says so; empty where none has to."""
    tagged = [header for header in headers if header.orientation != UPRIGHT]
    turned = sum(header.is_turned for header in tagged)
    text = f", turned as EXIF says: {turned}" if turned else ""
    if len(tagged) > turned:
        reason = "their masks fit only that" if exif == "apply" else "--exif ignore"
        text += f", left as stored against EXIF ({reason}): {len(tagged) - turned}"
    return text


def warn_of_values(found: Mapping[str, MaskValues], description: Description) -> None:
    """Lines on masks that hold colours or ids of no class, and on what these and classes that never occur may mean.

    Args:
        found: what each mask holds, by its name.
        description: what is declared.
    """
    shares = {name: off_palette_share(values, description) for name, values in found.items()}
    if odd := {name: share for name, share in shares.items() if share}:
        worst = max(odd, key=lambda name: odd[name])
        warn(f"{len(odd)} masks hold pixels of no class, which are ignored (most in {worst}: {odd[worst]:.2%})")
    for line in remarks(sum(found.values(), MaskValues()), description):
        warn(line)
