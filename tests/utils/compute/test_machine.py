import os

import pytest

from utils.compute import machine as this
from utils.compute.machine import ask_gpus, free_memory, this_machine, usable_cores


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Eight cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 8),
        ({"": "max 100000"}, 8),
        ({"": "400000 100000"}, 4),
        ({"job": "250000 100000", "job/step": "max 100000"}, 2),
        ({"job": "50000 100000"}, 1),
        ({"job": "nonsense"}, 8),
        ({"job/step": "1600000 100000"}, 8),
    ],
)
def test_a_container_may_lend_less_than_its_cores(tmp_path, limits, expected):
    write(tmp_path / "proc/self/cgroup", "0::/job/step\n")
    for folder, limit in limits.items():
        write(tmp_path / "sys/fs/cgroup" / folder / "cpu.max", limit + "\n")
    assert usable_cores(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("300000", 3)])
def test_older_containers_too(tmp_path, quota, expected):
    write(tmp_path / "proc/self/cgroup", "5:memory:/job\n4:cpu,cpuacct:/job\nnonsense\n")
    write(tmp_path / "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", quota)
    write(tmp_path / "sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000")
    assert usable_cores(tmp_path) == expected


def test_what_stands_above_the_control_groups_is_not_looked_at(tmp_path):
    write(tmp_path / "proc/self/cgroup", "0::/job\n")
    write(tmp_path / "cpu.max", "100000 100000")
    assert usable_cores(tmp_path) == 8


def test_cores_are_those_that_the_process_may_use(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert usable_cores(tmp_path) == 3


@pytest.mark.parametrize(("counted", "expected"), [(4, 4), (None, 1)])
def test_elsewhere_all_cores_count(monkeypatch, tmp_path, counted, expected):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert usable_cores(tmp_path) == expected


def test_memory_that_holds_copies_of_files_is_free(tmp_path):
    write(tmp_path / "proc/meminfo", "MemTotal: 4000 kB\nMemFree: 100 kB\nMemAvailable: 3000 kB\n")
    assert free_memory(tmp_path) == 3000 * 1024
    assert (free_memory(tmp_path / "elsewhere") or 1) > 0


def test_gpus_are_asked_of_the_driver(monkeypatch):
    """A machine's name holds its GPUs, each kind once; with a GPU named, that one alone."""
    asked = []

    def answer(words, **_):
        asked.append(words)
        return type("Answer", (), {"stdout": "A GPU\nA GPU\n\n"})

    monkeypatch.setattr(this.subprocess, "run", answer)
    monkeypatch.setattr(this.platform, "node", lambda: "box")
    assert ask_gpus("name") == ["A GPU", "A GPU"]
    assert "--query-gpu=name" in asked[-1]
    assert "--id" not in asked[-1]
    assert this_machine("3") == "box, 8 cores, A GPU"
    assert asked[-1][-2:] == ["--id", "3"]


def test_without_a_driver_there_are_no_gpus(monkeypatch):
    def absent(*_, **__):
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(this.subprocess, "run", absent)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    monkeypatch.setattr(this.platform, "node", lambda: "box")
    assert this_machine() == "box, 1 core"
