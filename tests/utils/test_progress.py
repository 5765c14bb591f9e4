"""Bars on a terminal, lines elsewhere, nothing from other processes than the main one."""

import io
import sys

import pytest

from utils.progress import Progress, progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(seconds: float, total: int = 100, first: int = 0, unit: str = "step") -> None:
    clock = Clock()
    with Progress(total, "training", unit, first, clock=clock) as counted:
        for number in range(first, total):
            clock.now += seconds
            if number == 2:
                counted.show({"loss_ce": 1.23456})
            counted.update()


def test_lines_come_after_ten_seconds_and_then_every_thirty(capsys):
    work(2.0, total=30)
    assert capsys.readouterr().err.splitlines() == [
        "training: 5 of 30 steps, loss_ce 1.235, 2.0 s a step, 50 s left",
        "training: 20 of 30 steps, loss_ce 1.235, 2.0 s a step, 20 s left",
        "training: 30 of 30 steps, loss_ce 1.235, 60 s in all",
    ]


def test_fast_and_long_work_has_a_rate_and_hours(capsys):
    work(0.125, total=100_000, first=99_800, unit="batch")
    assert capsys.readouterr().err.splitlines()[0] == (
        "training: 99880 of 100000 batches, 8.0 batches a second, 15 s left"
    )
    clock = Clock()
    counted = Progress(1000, "predicting", "image", clock=clock)
    clock.now = 60
    counted.update()
    assert capsys.readouterr().err == "predicting: 1 of 1000 images, 60.0 s an image, 16 h 39 min left\n"


def test_an_item_that_ends_early_counts_as_a_whole_one(capsys):
    clock = Clock()
    counted = Progress(3, "predicting", "image", clock=clock)
    counted.update(0.3)
    counted.end_item()
    clock.now = 60
    counted.end_item()
    assert counted.finished == 2
    assert capsys.readouterr().err.startswith("predicting: 2 of 3 images")


def test_short_work_says_nothing(capsys):
    work(0.01)
    assert capsys.readouterr().err == ""


def test_work_that_fails_has_no_last_line(capsys):
    clock = Clock()

    def fail() -> None:
        with Progress(3, "fitting", "tile", clock=clock) as counted:
            clock.now = 20
            counted.update()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_other_processes_say_nothing(capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    work(5)
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(progress(range(3), 3, "evaluating", "batch")) == [0, 1, 2]
    assert "evaluating" in terminal.getvalue()
    assert "/3 [" in terminal.getvalue()


def test_parts_of_an_item_count_for_the_rate(capsys):
    """One large image in strips."""
    clock = Clock()
    with Progress(1, "predicting", "image", clock=clock) as counted:
        for _ in range(4):
            clock.now += 15
            counted.update(0.25)
    assert capsys.readouterr().err.splitlines() == [
        "predicting: 0 of 1 image, 60.0 s an image, 45 s left",
        "predicting: 0 of 1 image, 60.0 s an image, 15 s left",
        "predicting: 1 of 1 image, 60 s in all",
    ]
