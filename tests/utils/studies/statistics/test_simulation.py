import pytest

from utils.studies.statistics.permutation import ON_A_NEW_AREA, ON_THESE_AREAS
from utils.studies.statistics.simulation import SITUATIONS, binomial_limit, simulated_rates


@pytest.mark.parametrize("situation", SITUATIONS)
def test_few_false_claims_and_none_of_a_new_area_with_five(situation):
    here = simulated_rates(situation, ON_THESE_AREAS, areas=5, seeds=2, studies=300)
    there = simulated_rates(situation, ON_A_NEW_AREA, areas=5, seeds=2, studies=300)
    assert here.claims <= binomial_limit(300)
    assert there.claims == 0
    assert here.coverage > 0.85
    assert there.coverage > 0.85


def test_two_thousand_studies_may_claim_six_percent():
    assert binomial_limit(2000) == pytest.approx(0.06, abs=0.0005)
