"""How a refused command ends as a process of its own, and what `--debug` adds."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.files import Hostile, tiff_file
from tools import train_s4gan

ROOT = Path(__file__).resolve().parents[2]


def test_as_processes(argv, custom_set, tmp_path):
    """A mistake of each command in a process of its own: the line is all that stderr holds."""
    (tmp_path / "weights.pth").write_bytes(pickle.dumps(Hostile(tmp_path / "executed"), 2))
    eight_bands = tiff_file(np.zeros((32, 32, 8), np.uint8), 1, ())
    (custom_set.folder / "images" / "tile1.png").write_bytes(eight_bands)
    calls = {
        "train_AL": (1, argv("train_AL", custom_set)),
        "train_s4gan": (2, argv("train_s4gan", custom_set, threshold_st="1.5")),
        "auto_evaluate": (1, argv("auto_evaluate", custom_set, data_list=tmp_path / "weights.pth")),
    }
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    running = {
        command: subprocess.Popen(
            [sys.executable, str(ROOT / "tools" / f"{command}.py"), *options],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for command, (_, options) in calls.items()
    }  # fmt: skip
    for command, process in running.items():
        out, err = process.communicate()
        assert process.returncode == calls[command][0], err
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1, err
        assert "Traceback" not in out
    assert not (tmp_path / "executed").exists()


def test_debug_shows_the_traceback_before_the_line(capsys, argv, custom_set):
    options = argv("train_s4gan", custom_set, data_list="/nowhere.txt", debug=True)
    assert train_s4gan.main(options) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("error: ")
