"""The polynomial learning-rate schedule of DeepLab."""


def poly(step: int, num_steps: int, power: float) -> float:
    """Factor on the base rate at `step` (counted from 0): (1 - step / num_steps) ** power, above 0 to the last step."""
    return (1 - step / num_steps) ** power
