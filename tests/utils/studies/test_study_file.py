import re
from decimal import Decimal
from pathlib import Path

import pytest

from utils.errors import DataError, OptionError
from utils.studies.cells import Cell, cells_of, options_of
from utils.studies.options import words_of
from utils.studies.study_file import read_study

STUDY = """
name = "small"
strategies = ["random", "margin"]
methods = ["supervised", "s4gan"]
seeds = [1, 2]
ratios = [0.10, 0.2]

[[data]]
name = "town"
dataset = "custom"
data_dir = "datasets/town"
folds = { by = "group", val_share = 0.2, gap = 50 }
train.batch_size = 2

[[data]]
name = "demo"
dataset = "ucm"
data_dir = "datasets/demo"
[[data.areas]]
name = "all"
train = "datasets/demo/train.txt"
test = "datasets/demo/test.txt"

[[networks]]
backbone = "tiny"
weights = "none"
classifier = "tiny"
classifier_weights = "none"

[train]
num_steps = 900
learning_rate = 1e-4
random_mirror = true
random_scale = false
input_size = [160, 160]

[[cells]]
where = { method = "s4gan" }
train = { threshold_st = 0.6 }
"""


@pytest.fixture
def write(tmp_path):
    def write_study(text: str = STUDY, old: str = "", new: str = "") -> Path:
        assert not old or old in text
        path = tmp_path / "study.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return write_study


def test_a_study_as_it_is_written(write):
    study = read_study(write())
    assert study.ratios == (Decimal("0.10"), Decimal("0.2"))
    assert study.amounts == ("0.10", "0.2")
    assert study.data[0].folds.gap == 50
    assert study.data[1].areas[0].test == Path("datasets/demo/test.txt")
    assert study.networks[0].name == "tiny"
    assert study.networks[0].is_from_random_weights


def test_cells_are_the_grid_seed_by_seed_with_the_first_strategy_first(write):
    cells = cells_of(read_study(write()), {"town": ["a", "b", "c"], "demo": ["all"]})
    assert len(cells) == 2 * (3 + 1) * 1 * 2 * 2 * 2
    assert cells[0] == Cell("town", "a", "tiny", "0.10", "random", "supervised", 1)
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)
    assert len({cell.name for cell in cells}) == len(cells)
    assert cells[0].name == "town_a_tiny_0.10_random_supervised_seed1"


GRIDS = """
[[grids]]
strategies = ["random"]
[[grids]]
data = ["demo"]
methods = ["s4gan", "supervised"]
amounts = ["0.2"]
"""


def test_several_grids_are_run_one_after_the_other_and_each_cell_once(write):
    cells = cells_of(read_study(write(STUDY + GRIDS)), {"town": ["a", "b", "c"], "demo": ["all"]})
    first, second = cells[: 4 * 2 * 2 * 2], cells[4 * 2 * 2 * 2 :]
    assert {cell.strategy for cell in first} == {"random"}
    assert {(cell.data, cell.amount, cell.strategy) for cell in second} == {("demo", "0.2", "margin")}
    assert [cell.method for cell in second] == ["supervised", "s4gan"] * 2  # in the order of the study
    assert [cell.seed for cell in second] == [1, 1, 2, 2]
    assert len(set(cells)) == len(cells)


def test_options_of_rules_win_over_those_of_data_over_common_ones(write):
    study = read_study(write(old="train.batch_size = 2", new="train.num_steps = 7"))
    cell = Cell("town", "a", "tiny", "0.2", "margin", "s4gan", 1)
    assert options_of(study, "train", cell)["num_steps"] == 7
    assert options_of(study, "train", cell)["threshold_st"] == Decimal("0.6")
    assert options_of(study, "select", cell) == {}
    words = list(words_of(options_of(study, "train", Cell("demo", "all", "tiny", "0.2", "margin", "supervised", 1))))
    assert words == ["--input-size", "160,160", "--learning-rate", "0.0001", "--num-steps", "900", "--random-mirror"]


VARIANT = """
[[variants]]
name = "slow"
method = "s4gan"
train = { threshold_st = 0.7, learning_rate = 0.001, random_mirror = false }
[[cells]]
where = { method = "slow", data = "demo" }
train = { learning_rate = 0.002 }
[[cells]]
where = { data = "town" } # names no method: the variant's own options win
train = { learning_rate = 0.003 }
[[grids]]
methods = ["slow"]
"""


def test_a_variant_has_the_options_of_its_method_then_its_own(write):
    study = read_study(write(STUDY + VARIANT, '"supervised", "s4gan"]', '"supervised", "s4gan", "slow"]'))
    assert [study.method_of(name) for name in study.methods] == ["supervised", "s4gan", "s4gan"]

    def given(data: str, method: str) -> list[str]:
        options = options_of(study, "train", Cell(data, "a", "tiny", "0.2", "margin", method, 1))
        return [str(options.get(name)) for name in ("num_steps", "threshold_st", "learning_rate")]

    assert given("town", "s4gan") == ["900", "0.6", "0.003"]
    assert given("town", "slow") == ["900", "0.7", "0.001"]
    assert given("demo", "slow") == ["900", "0.7", "0.002"]  # a rule that names it wins
    cells = cells_of(study, {"town": ["a"], "demo": ["all"]})
    assert {cell.method for cell in cells} == {"slow"}
    assert "--random-mirror" not in list(words_of(options_of(study, "train", cells[0])))


def test_counts_stand_in_names_like_budgets(write):
    assert read_study(write(old="ratios = [0.10, 0.2]", new="counts = [20, 40]")).amounts == ("n20", "n40")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seeds =", "seds =", "`seeds`"),
        ("name = \"small\"", "name = \"small\"\nstrategie = 1", "unknown key of the study 'strategie'; did you mean"),
        ("gap = 50", "gapp = 50", "unknown key of the folds of data 1 'gapp'; did you mean gap"),
        ('test = "datasets', 'tst = "datasets', "areas 1 has no `test`"),
        ('"margin"', '"margn"', "unknown query strategy 'margn'; did you mean margin"),
        ("num_steps = 900", "checkpoint_dir = 'x'", "set by the study itself"),
        ("seeds = [1, 2]", "seeds = [1, 1]", "seeds hold 1 twice"),
        ("seeds = [1, 2]", "seeds = [1, true]", "expected a whole number"),
        ("seeds = [1, 2]", "seeds = 3", "expected a list"),
        ("ratios = [0.10, 0.2]", "", "either ratios or counts"),
        ("ratios = [0.10, 0.2]", "ratios = [1.5]", "above 0 and at most 1"),
        ("folds = {", "areas = []\nfolds2 = {", "either areas with their lists or folds"),
        ('method = "s4gan" }', 'method = "s4gn" }', "unknown method of a rule 's4gn'; did you mean s4gan"),
        ('method = "s4gan" }', 'methd = "s4gan" }', "did you mean method"),
        ('name = "town"', 'name = "to/wn"', "no name"),
        ("[train]", "[tran]", "did you mean train"),
        ("num_steps = 900", "num_steps = {a = 1}", "expected text, a number or a truth value"),
        ("seeds = [1, 2]", "seeds = [1, 2", "no TOML"),
        ("[train]", '[[grids]]\nmethods = ["s4gn"]\n[train]', "in `methods` of a grid 's4gn'; did you mean"),
        ("[train]", '[[grids]]\nmethods = ["s4gan", "s4gan"]\n[train]', "`methods` of a grid holds a value twice"),
        ("[train]", '[[variants]]\nname = "slow"\nmethod = "s4gan"\n[train]', "is none of the methods, supervised,"),
        ("[train]", '[[variants]]\nname = "s4gan"\nmethod = "s4gan"\n[train]', "is of a variant, s4gan"),
        ("[train]", '[[variants]]\nname = "slow"\n[train]', "variants 1 has no `method`"),
        ("[train]", "[[grids]]\nseeds = []\n[train]", "unknown key of grids 1 'seeds'"),
    ],
)  # fmt: skip
def test_what_is_refused(write, old, new, words):
    with pytest.raises(DataError, match=rf"study\.toml.*{re.escape(words)}"):
        read_study(write(old=old, new=new))


def test_no_such_file(tmp_path):
    with pytest.raises(OptionError, match=r"no study at .*demo\.toml"):
        read_study(tmp_path / "none.toml")


def test_a_rule_about_no_area(write):
    study = read_study(write(old='{ method = "s4gan" }', new='{ area = "north" }'))
    with pytest.raises(ValueError, match="no data set has the area north"):
        cells_of(study, {"town": ["a"], "demo": ["all"]})
