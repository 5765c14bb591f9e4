"""Checks of lists against one another and against the names that were chosen."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from data.checking.findings import Finding, Level, counted, some
from data.checking.surveyed_set import SurveyedSet
from data.footprints.names import TILES_CSV
from data.footprints.of_set import read_records
from data.lists.splits import read_names_array
from utils.errors import UserError

if TYPE_CHECKING:  # with GEOS and PROJ, which sets without places do not need
    from data.footprints.distances import Nearness

SAME_PLACE = 1e-3  # metres or pixels; two that touch may be as far apart by rounding
MAX_ALIKE = 0.01  # share of a list; real sets hold a few tiles twice, airplane01 and airplane02 of UCM among them


def overlap(surveyed: SurveyedSet) -> Finding:
    """No tile stands in two lists, by its name or by its pixels."""
    lists_of: dict[str, list[str]] = {}
    for part, names in surveyed.lists.items():
        for name in names:
            lists_of.setdefault(name, []).append(part)
    shared = [name for name, parts in lists_of.items() if len(parts) > 1]
    alike: dict[str, list[str]] = {}
    for name, tile in surveyed.tiles.items():
        if tile.image.digest is not None:
            alike.setdefault(tile.image.digest, []).append(name)
    groups = [names for names in alike.values() if len(names) > 1]
    across = [names for names in groups if len({part for name in names for part in lists_of[name]}) > 1]
    values = {"names": shared, "same_pixels": groups, "same_pixels_across_lists": across}
    if shared or across:
        parts = [f"in two lists: {counted(len(shared), 'name')}"] if shared else []
        parts += [f"in two lists under different names: {counted(len(across), 'picture')}"] if across else []
        details = [*some(shared), *some(" = ".join(names) for names in across)]
        few = not shared and len(across) <= MAX_ALIKE * min(len(names) for names in surveyed.lists.values())
        return Finding("overlap", "warn" if few else "FAIL", "; ".join(parts), details, values)
    between = (
        f"none between {' and '.join(f'{part} list' for part in surveyed.lists)}" if len(surveyed.lists) > 1 else ""
    )
    if groups:
        text = f"twice in a list: {counted(len(groups), 'picture')}" + (f"; {between}" if between else "")
        return Finding("overlap", "warn", text, some(" = ".join(names) for names in groups), values)
    return Finding("overlap", "ok", between or "no picture stands twice; --test-list compares two lists", values=values)


def scenes(surveyed: SurveyedSet) -> Finding:
    """Tiles cut from one scene stay on one side."""
    if surveyed.description.group is None:
        return Finding("scenes", "-", "the data set does not say which tiles come from one scene")
    if len(surveyed.lists) < 2:
        return Finding("scenes", "-", "one list only; --test-list compares two")
    lists_of: dict[str, set[str]] = {}
    for part, names in surveyed.lists.items():
        for scene in surveyed.description.groups_of(names).values():
            if scene is not None:
                lists_of.setdefault(scene, set()).add(part)
    shared = sorted(scene for scene, parts in lists_of.items() if len(parts) > 1)
    values = {"scenes": len(lists_of), "shared": shared}
    if shared:
        text = f"{len(shared)} of {len(lists_of)} with tiles in two lists, so scores come out too high"
        return Finding("scenes", "warn", text, some(shared), values)
    return Finding("scenes", "ok", f"{len(lists_of)}, each in one list", values=values)


def distances(surveyed: SurveyedSet) -> Finding:
    """Tiles of different lists lie apart: those that touch or overlap make scores too high."""
    try:
        records = {record.name: record for record in read_records(surveyed.data.data_dir)}
    except UserError as error:
        return Finding("distances", "FAIL", str(error))
    if not records:
        return Finding("distances", "-", f"no {TILES_CSV}, so it is not known where the tiles lie")
    if len(surveyed.lists) < 2:
        return Finding("distances", "-", "one list only; --test-list compares two")
    from data.footprints.distances import nearness

    listed = [
        replace(records[name], list=part) for part, names in surveyed.lists.items() for name in names if name in records
    ]
    pairs, without = nearness(listed), [name for name in surveyed.tiles if name not in records]
    details = [f"not in {TILES_CSV}: {counted(len(without), 'tile')}", *some(without)] if without else []
    values = {"lists": [asdict(pair) for pair in pairs], "without_record": without}
    if not pairs:
        return Finding("distances", "-", f"{TILES_CSV} knows the tiles of one list at most", details, values)
    is_known = any(distance is not None for pair in pairs for distance in (pair.metres, pair.pixels))
    is_near = without or any(_touch(pair) or pair.tiles for pair in pairs)
    level: Level = "-" if not is_known else "warn" if is_near else "ok"
    text = "; ".join(f"{pair.first} and {pair.second} list {_apart(pair)}" for pair in pairs)
    return Finding("distances", level, text, details, values)


def _touch(pair: "Nearness") -> bool:
    return any(distance is not None and distance < SAME_PLACE for distance in (pair.metres, pair.pixels))


def _apart(pair: "Nearness") -> str:
    """How two lists lie, in words."""
    if pair.tiles:
        return f"overlap in {pair.overlap:,} pixels of {counted(pair.tiles, f'{pair.second} tile')} ({pair.share:.1%})"
    if _touch(pair):
        return "touch"
    units = {"m": pair.metres, "pixels": pair.pixels}
    known = [f"{distance:,.1f} {unit}" for unit, distance in units.items() if distance is not None]
    return f"{' or '.join(known)} apart" if known else "have no distance: their tiles share no scene and no place"


def names_array(surveyed: SurveyedSet) -> Finding:
    """The names that the active learner chose are tiles of the data list with masks."""
    path = surveyed.names_array
    if path is None:
        return Finding("names array", "-", "not given (--active-learning-images-array)")
    try:
        names = read_names_array(path, surveyed.description, surveyed.lists["data"], surveyed.data.data_list)
    except UserError as error:
        return Finding("names array", "FAIL", str(error))
    without = [name for name in names if surveyed.tiles[name].mask is None]
    values = {"names": len(names), "without_mask": without}
    if without:
        text = f"{len(without)} of {len(names)} chosen tiles without a mask; draw it before training"
        return Finding("names array", "FAIL", text, some(surveyed.reader.mask_path(name) for name in without), values)
    return Finding("names array", "ok", f"{len(names)} tiles of the data list, each with a mask", values=values)
