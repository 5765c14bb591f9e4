"""Choosing tiles: query strategies, the pool and its rounds, the budget.

from utils.selection import choose
rows = choose(probabilities, 20, "margin")  # (N, C) of NumPy or torch -> positions in order of choice
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "Budget": "budget",
        "Pool": "strategies",
        "QuerySettings": "settings",
        "SceneTiles": "scene_tiles",
        "SelectionFolder": "folder",
        "STRATEGIES": "strategies",
        "Selection": "rounds",
        "choose": "choosing",
        "labelled_count": "budget",
    },
)
