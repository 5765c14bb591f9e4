import pytest

from tests.conftest import error_line
from tools import study
from utils.studies.statistics.simulation import SITUATIONS


def test_a_table_has_a_row_for_each_question_and_situation(capsys: pytest.CaptureFixture[str]):
    assert study.main(["simulate", "--studies", "2", "--designs", "3x2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 * len(SITUATIONS)
    assert lines[-1].split()[-1] == "–"  # 3 areas are too few for an interval on a new one


def test_one_seed_is_asked_for_a_new_area_alone(capsys: pytest.CaptureFixture[str]):
    assert study.main(["simulate", "--studies", "2", "--designs", "5x1"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.startswith("on a new area") for line in lines] == [True] * len(SITUATIONS)


@pytest.mark.parametrize(("design", "words"), [("1x1", "1x1 has no noise to measure"), ("5", "'5' is no design")])
def test_designs_that_cannot_be_are_refused(capsys: pytest.CaptureFixture[str], design: str, words: str):
    assert words in error_line(capsys, 2, study.main, ["simulate", "--designs", design])
