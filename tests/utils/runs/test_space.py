"""Space of a run: what is still to be written, and sizes that can be compared."""

import pytest

from utils.runs.space import RunSpace, as_size, as_sizes, existing_folder

RUN = RunSpace(generator=100, discriminator=10, num_steps=7, save_every=2)  # checkpoints at 2, 4, 6, 7
STATE = 2 * (2 * 100 + 3 * 10)  # last.pth and its predecessor


@pytest.mark.parametrize(("step", "left"), [(0, 4), (1, 4), (2, 3), (6, 1), (7, 0), (8, 0)])
def test_only_what_is_left_is_counted(step, left):
    assert RUN.checkpoints(step) == left
    assert RUN.needed(step) == (left * 110 + STATE if left else 0)


def test_what_is_there_is_replaced():
    assert RUN.needed(6, present=3, last=230) == 110 + 230
    assert RunSpace(100, 10, 7, 2, validates=True).needed(6, last=230, best=100) == 110 + 230 + 100


def test_a_teacher_is_kept_with_its_student_whose_momentum_is_saved():
    run = RunSpace(generator=100, discriminator=0, num_steps=7, save_every=2, validates=True, student=100)
    assert (run.checkpoint, run.state) == (200, 300)
    assert run.needed() == 4 * 200 + 2 * 300 + 2 * 100


@pytest.mark.parametrize(("present", "left"), [(0, 3), (1, 2), (2, 1), (3, 1), (9, 1)])
def test_of_the_newest_one_more_is_there_for_a_moment_and_the_best(present, left):
    assert RunSpace(100, 10, 100, 1, keep_last=1).checkpoints(50, present) == left
    assert RunSpace(100, 10, 100, 1, keep_last=1).checkpoints(99, present) == 1


@pytest.mark.parametrize(
    ("sizes", "texts"),
    [
        ((36_400_000_000, 20_000_000_000), ("36.4 GB", "20.0 GB")),
        ((140_000_000, 110_000_000), ("140.0 MB", "110.0 MB")),
        ((1_000_000_001, 1_000_000_000), ("1.000000001 GB", "1.000000000 GB")),
        ((1_010_000_000, 1_000_000_000), ("1.01 GB", "1.00 GB")),
        ((5, 4), ("5 bytes", "4 bytes")),
        ((0, 0), ("0 bytes", "0 bytes")),
        ((2000, 0), ("2.0 kB", "0.0 kB")),
    ],
)
def test_different_sizes_read_differently(sizes, texts):
    assert as_sizes(*sizes) == texts


def test_a_size_alone():
    assert as_size(187_000_000) == "187.0 MB"


def test_a_folder_to_come_lies_on_the_disk_of_the_nearest_one(tmp_path):
    assert existing_folder(tmp_path / "a" / "b") == tmp_path.resolve()
