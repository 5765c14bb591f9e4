"""The table of `tools/study.py simulate`: how often tests claim falsely, and intervals cover the truth."""

from tools.studies.settings import SimulationSettings
from utils.studies.statistics.simulation import all_rates, binomial_limit


def print_rates(settings: SimulationSettings) -> None:
    """Simulate studies of each design, and print a line for each question and situation."""
    print(f"{settings.studies} studies a row; at most {binomial_limit(settings.studies):.1%} of false claims are right")
    print(f"{'question':<16}{'areas × seeds':>15}  {'situation':<17}{'false claims':>13}{'intervals cover':>17}")
    for rates in all_rates(settings.designs, settings.studies, settings.random_seed):
        design = f"{rates.areas} × {rates.seeds}"
        found = f"{rates.claims:>13.1%}{'–' if rates.coverage is None else f'{rates.coverage:.1%}':>17}"
        print(f"{rates.question:<16}{design:>15}  {rates.situation:<17}{found}", flush=True)
