"""Names of strategies and files, for options and messages: reading them does not import torch."""

PARTIAL = ".partial"  # ends the name, before `.npy`, of the array of a selection that has not ended
STRATEGY_NAMES = (
    "entropy",
    "margin",
    "least_confidence",
    "random",
    "bald",
    "coreset",
    "badge",
    "typiclust",
)
