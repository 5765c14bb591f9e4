"""`--help`, and options that are refused by themselves, answer before anything heavy is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.networks.names import BACKBONES, TORCHVISION_CLASSIFIERS
from model.networks.resnet import build_resnet
from utils.compute.number_formats import PRECISIONS
from utils.compute.precision import autocast
from utils.selection.names import STRATEGY_NAMES
from utils.selection.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(path.stem for path in (ROOT / "tools").glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))
HEAVY = ("torch", "torchvision", "cv2", "matplotlib", "scipy", "sklearn", "tensorboard")
START = f"""
import atexit, runpy, sys
atexit.register(lambda: print("heavy:", *[name for name in {HEAVY} if name in sys.modules], file=sys.stderr))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def start(command: str, *options: str) -> tuple[int, str, list[str]]:
    """Exit code, output, and the lines of stderr."""
    script = str(ROOT / "tools" / f"{command}.py")
    argv = [sys.executable, "-c", START, script, *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT.parent)
    return done.returncode, done.stdout, done.stderr.splitlines()


def test_all_commands_are_looked_at():
    assert {"train_AL", "train_s4gan", "auto_evaluate", "predict", "prepare_data", "benchmark", "demo"} <= {*COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command):
    code, output, errors = start(command, "--help")
    assert (code, errors) == (0, ["heavy:"])
    assert "--debug" in output or any(word in output for word in ("SOURCE", "JOB", "VERB"))


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        ("train_s4gan", ["--threshold-st", "2"], "at most 1"),
        ("train_AL", ["--query-strategy", "margn"], "unknown query strategy 'margn'; did you mean"),
        ("auto_evaluate", ["--stat-eval", "1", "--data-dir", "x", "--data-list", "y"], "did you mean --start-eval"),
        ("prepare_data", ["scenes"], "--images"),
        ("prepare_data", ["check", "--backbone", "resnet11"], "did you mean resnet101"),
        ("predict", ["--precision", "fp8"], "fp8"),
        ("study", ["run", "x.toml", "--onyl", "x"], "did you mean --only"),
    ],
)
def test_refused_options_import_nothing_heavy(command, options, words):
    code, _, (line, heavy) = start(command, *options)
    assert (code, heavy) == (2, "heavy:")
    assert line.startswith("error: ")
    assert words in line


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_help_in_any_encoding(encoding):
    """Whatever the locale says, as in a bare container."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    argv = [sys.executable, str(ROOT / "tools" / "train_s4gan.py"), "--help"]
    done = subprocess.run(argv, capture_output=True, check=False, env=environment | {"PYTHONCOERCECLOCALE": "0"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--threshold-st" in done.stdout


# --- tables of names --------------------------------------------------------------------------------------------------


def test_names_of_strategies_are_those_of_the_table():
    assert tuple(STRATEGIES) == STRATEGY_NAMES


def test_names_of_classifiers_are_those_of_torchvision():
    from torchvision import models

    assert set(TORCHVISION_CLASSIFIERS) == set(models.list_models(module=models))


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "resnet101"])
def test_every_backbone_can_be_built(name):
    assert build_resnet(name).fc.in_features in (512, 2048)


def test_every_precision_is_a_format_of_torch():
    import torch

    for precision in PRECISIONS[1:]:
        autocast(precision, torch.device("cpu"))


def test_ctrl_c_while_torch_is_imported_is_one_line(tmp_path):
    script = tmp_path / "command.py"
    script.write_text(
        "from tools.cli.running import parse_first\nparse_first(lambda: None)\nraise KeyboardInterrupt\n",
        encoding="utf-8",
    )
    argv = [sys.executable, str(script)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.stderr == "error: interrupted\n"
    assert done.returncode in (-2, 130)  # the signal itself, which a shell calls 130
