"""Names of strategies and files, for options and messages: reading them does not import torch."""

PARTIAL = ".partial"  # ends the name, before `.npy`, of the array of a selection that has not ended
FEATURES = ("classifier", "pretrained")  # where strategies that look at features get them from
ON_FEATURES = ("coreset", "badge", "typiclust")  # these strategies
WITHOUT_CLASSIFIER = ("random", "coreset", "typiclust")  # these need no class probabilities
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
