"""Error-adjusted areas: how much of each class there is, from a map and what its network confuses.

from utils.evaluation.areas import adjusted_areas_of_summary
adjusted_areas_of_summary("results/summary.json", {"land": 120.5, "water": 31.0}).rows  # hectares in, hectares out
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "AdjustedAreas": "resampled",
        "adjusted": "stratified",
        "adjusted_areas": "resampled",
        "adjusted_areas_of_summary": "of_summary",
        "standard_errors_of_points": "stratified",
    },
)
