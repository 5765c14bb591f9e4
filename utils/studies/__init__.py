"""Studies: what is compared, how it is run, and what may be said of the result.

from utils.studies import compare
compared = compare(scores_of_margin, scores_of_random)  # (areas, seeds) of each, seeds and areas in the same order
print(compared.on_these_areas.p, compared.on_a_new_area.verdict)
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "Compared": "statistics.comparison",
        "compare": "statistics.comparison",
        "holm": "statistics.holm",
    },
)
