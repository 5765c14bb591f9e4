"""Schedules of learning rates, as factors on the base rate: DeepLab's polynomial, and a cosine after a rise."""

import math


def poly(step: int, num_steps: int, power: float) -> float:
    """Factor on the base rate at `step` (counted from 0): (1 - step / num_steps) ** power, above 0 to the last step."""
    return (1 - step / num_steps) ** power


def cosine(step: int, num_steps: int, rise: float = 0.05) -> float:
    """Factor at `step` (counted from 0): linear up to 1 over a share of the steps, then a half cosine towards 0."""
    rising = max(1, round(rise * num_steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, num_steps - rising)))
