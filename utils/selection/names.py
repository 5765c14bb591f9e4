"""Names of the query strategies, for options and messages: reading them does not import torch."""

STRATEGY_NAMES = ("entropy", "margin", "least_confidence", "random", "bald", "coreset", "badge", "typiclust")
