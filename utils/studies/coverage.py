"""What explains a choice: which scene classes the labelled tiles have, against the pool."""

from collections.abc import Mapping, Sequence

from utils.studies.cells import Cell


def coverage_rows(
    chosen: Mapping[Cell, Sequence[str]], pools: Mapping[Cell, Sequence[str]], scene_of: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """For each strategy, how many scene classes its labelled tiles cover, and how many tiles of the rarest one.

    Args:
        chosen: labelled names of cells.
        pools: names of their training tiles.
        scene_of: scene classes by name, of those that have one.
    """
    rows: dict[tuple[str, str, str], list[tuple[int, int, int, int]]] = {}
    for cell, names in chosen.items():
        pool = [scene_of[name] for name in pools[cell] if name in scene_of]
        if not names or not pool:
            continue
        rarest = min(sorted(set(pool)), key=pool.count)
        own = [scene_of[name] for name in names if name in scene_of]
        expected = round(len(names) * pool.count(rarest) / len(pool))
        key = (cell.strategy, cell.data, cell.amount)
        rows.setdefault(key, []).append((len(set(own)), len(set(pool)), own.count(rarest), expected))
    return [
        (
            f"{strategy}, {data}, labels {amount}",
            f"{_range(covered)} of {max(total)}",
            f"{_range(rare)} ({_range(expected)} by its share)",
        )
        for (strategy, data, amount), found in rows.items()
        for covered, total, rare, expected in [list(zip(*found, strict=True))]
    ]


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"
