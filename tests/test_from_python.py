"""The README's section "From Python": each snippet runs, on a small demo set and the folder of a short run."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.preparing.downloads import prepare_demo
from data.preparing.settings import Target
from data.settings import DataSettings, LabelledSettings, SampleSettings
from model import Trained
from model.methods.settings import S4GANSettings
from model.settings import NetworkSettings
from tests.test_readme import README
from tools.settings.learning import TrainingSettings
from tools.train_s4gan import train
from utils.errors import OptionError
from utils.runs.settings import KeepingSettings, MachineSettings
from utils.selection.settings import QuerySettings
from utils.settings import SettingsError

SECTION = README.partition("\n## From Python\n")[2].partition("\n## ")[0]
SNIPPETS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with datasets/demo and the run `checkpoint`, as the snippets expect them."""
    folder = tmp_path_factory.mktemp("from_python")
    demo = folder / "datasets" / "demo"
    prepare_demo(1, Target(demo))
    settings = TrainingSettings(
        DataSettings("ucm", demo, demo / "train.txt"),
        S4GANSettings(num_steps=1, threshold_st=0.6),
        samples=SampleSettings((64, 64), batch_size=2),
        labelled=LabelledSettings(Decimal("0.2")),
        network=NetworkSettings("tiny", restore_from="none"),
        machine=MachineSettings("cpu"),
        keeping=KeepingSettings(folder / "checkpoint"),
    )
    assert train(settings) == 0
    return folder


def test_the_section_has_its_snippets():
    assert len(SNIPPETS) == 5
    assert max(len(snippet.splitlines()) for snippet in SNIPPETS) <= 20


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_each_snippet_runs(workplace: Path, monkeypatch: pytest.MonkeyPatch, number: int):
    monkeypatch.chdir(workplace)
    names: dict[str, Any] = {}
    exec(compile(SNIPPETS[number], f"snippet {number}", "exec"), names)
    expected: dict[int, Any] = {
        0: lambda: names["mask"].shape == names["image"].shape[:2] and names["shown"].dtype == np.uint8,
        1: lambda: len(set(names["rows"].tolist())) == 20,
        2: lambda: names["ids"].shape == names["maps"].shape[1:] and (names["maps"].argmax(0) == names["ids"]).all(),
        3: lambda: set(torch.load("generator.pth", weights_only=True)) == set(names["method"].evaluated.state_dict()),
        4: lambda: Path("runs/from_python/checkpoint2.pth").is_file(),
    }
    assert expected[number]()


def test_numbers_count_as_they_read():
    assert LabelledSettings(0.05).labeled_ratio == Decimal("0.05")  # type: ignore[arg-type]
    assert QuerySettings(alpha="0.1").alpha == Decimal("0.1")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="beta is 'half', expected a number"):
        QuerySettings(beta="half")  # type: ignore[arg-type]


def test_what_is_wrong_is_said_in_words_of_python(workplace: Path):
    with pytest.raises(OptionError, match="nowhere is not there; give the folder of a training run"):
        Trained.open(workplace / "nowhere")
