"""How good features are, without training on them: the scene classes of the nearest tiles (cosine)."""

import torch
from torch import Tensor
from torch.nn import functional as F

NEIGHBOURS = 5
_BLOCK = 1024  # tiles whose similarities to all others are looked at together


def neighbour_accuracy(
    features: Tensor, labels: Tensor, known: Tensor, known_labels: Tensor, neighbours: int = NEIGHBOURS
) -> float:
    """Share of tiles whose class most of their nearest known tiles have; of equally many votes the nearer ones count.

    Args:
        features: of N tiles, float32, shape (N, F).
        labels: their classes, int64, shape (N,).
        known, known_labels: the same of M tiles whose classes are known.
        neighbours: that vote; all known tiles where there are fewer.
    """
    if not (len(features) and len(known)):
        return float("nan")
    others, votes = F.normalize(known, dim=1), []
    weights = 1 - torch.arange(min(neighbours, len(known))) / (1000 * neighbours)  # the sum of any tie decides for near
    for block in F.normalize(features, dim=1).split(_BLOCK):
        nearest = (block @ others.T).topk(len(weights), dim=1).indices
        ballots = F.one_hot(known_labels[nearest], int(known_labels.max()) + 1)
        votes.append((ballots * weights[:, None]).sum(dim=1).argmax(dim=1))
    return float((torch.cat(votes) == labels).float().mean())
