"""The benchmark that a machine's owner runs once, on tiny networks; and what its table says where something fails."""

import json

import pytest
import torch

from model.methods import METHODS
from tests.conftest import error_line
from tools import benchmark
from tools.benchmarks import methods, whole
from tools.benchmarks.settings import Sizes
from tools.benchmarks.whole import kinds_of_steps

SIZES = Sizes("tiny", "tiny", 2, (32, 32), 2, 48)
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_everything_is_measured_and_written_as_markdown(monkeypatch, tmp_path):
    monkeypatch.setattr(torch, "compile", lambda network: network)  # the compiler takes a minute
    monkeypatch.setattr(whole, "matmul_peak", lambda *_: 1e9)
    monkeypatch.setattr(benchmark, "kinds_of_steps", lambda *_: [("fp32", False), ("fp32", True)])
    out = tmp_path / "table.md"
    options = ["--all", "--quick", "--device", "cpu", "--precision", "fp32", "--out", str(out)]
    options += ["--input-size", "32,32", "--map-side", "48"]
    assert benchmark.main(options) == 0
    text = out.read_text()
    heading, _, setup, *_ = text.splitlines()
    assert f"torch {torch.__version__}" in heading
    assert "tiny with 18 classes, 2 labelled and 2 unlabelled tiles of 32×32 a step, median of 2 steps" in setup
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[2:4]] == [["fp32", "no"], ["fp32", "yes"]]
    assert all(row[2].endswith(" ms") and "TFLOP/s" in row[4] and row[5].endswith(" GB") for row in rows[2:4])
    assert rows[4] == ["in fp32", "measured"]
    of_methods = [
        (f"{name}: {what}", unit) for name in METHODS for what, unit in (("training step", "ms"), ("peak memory", "GB"))
    ]
    assert [(row[0], row[1].split(" ", 1)[1]) for row in rows[6:]] == [
        *of_methods,
        ("learner: fitting, batch 4", "tiles/s"),
        ("learner: scoring, batch 32", "tiles/s"),
        ("evaluation", "tiles/s"),
        ("maps in windows", "megapixels/s"),
        ("checkpoint: size of both networks", "MB"),
        ("checkpoint: holds training up", "ms"),
        ("checkpoint: written in the background", "ms"),
        ("checkpoint: rate of writing", "MB/s"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "not measured: out of memory"),
        (RuntimeError("no C++ compiler | found\nmore"), "not measured: no C++ compiler / found"),
    ],
)
def test_what_fails_is_said_in_its_line_and_the_rest_is_measured(monkeypatch, tmp_path, error, said):
    def fail(*_):
        raise error

    for part in ("_training", "measure_method", "measure_learner", "measure_evaluation", "measure_windows"):
        monkeypatch.setattr(whole, part, fail)
    lines = []
    text = whole.measure_whole(SIZES, CPU, "fp32", [("bf16", True)], tmp_path, lines.append)
    assert f"| bf16 | yes | {said} |  |  |  |" in text
    assert f"| evaluation | {said} |" in text
    assert f"| unimatch | {said} |" in text
    assert "| checkpoint: holds training up | " in text
    assert lines[0] in text


def test_each_method_is_measured_beside_s4gan(monkeypatch, tmp_path):
    monkeypatch.setattr(methods, "ROUNDS", 1)
    out = tmp_path / "table.json"
    options = ["--parts", "methods", "--quick", "--device", "cpu", "--precision", "fp32", "--out", str(out)]
    assert benchmark.main([*options, "--input-size", "32,32"]) == 0
    found = {row["what"]: row["value"] for row in json.loads(out.read_text())["rows"]}
    assert [name.partition(":")[0] for name in found if name.endswith("training step")] == [*METHODS]
    for name in METHODS:
        assert found[f"{name}: peak memory"] > 0
    ratio = found["fixmatch: training step"] / found["s4gan: training step"]
    assert found["fixmatch: times the step of s4gan"] == pytest.approx(ratio)


def test_every_precision_is_measured_compiled_and_not():
    assert len(kinds_of_steps(CUDA, "bf16", quick=False)) == 6
    assert kinds_of_steps(CUDA, "bf16", quick=True)[-1] == ("bf16", True)
    assert kinds_of_steps(CPU, "fp32", quick=False) == [("fp32", False), ("fp32", True)]
    assert len(kinds_of_steps(CPU, "bf16", quick=False)) == 4


def test_options_that_all_leaves_no_room_for(capsys):
    assert "--all measures made tiles" in error_line(capsys, 2, benchmark.main, ["--all", "--compile"])
