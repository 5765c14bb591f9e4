"""Teachers: what they average, from which step on, and that the student does not notice them."""

import copy
from dataclasses import replace

import pytest
import torch

from model.methods.ema import Teacher
from model.methods.s4gan import S4GAN
from model.methods.settings import MethodSettings, S4GANSettings, SupervisedSettings
from model.methods.supervised import Supervised
from model.networks.deeplabv2 import DeepLabV2
from tests.plain_s4gan import CPU, LABELLED, SETTINGS, UNLABELLED, C, assert_close, changed, networks, snapshot

SUPERVISED = SupervisedSettings(10)


def after(settings: MethodSettings, steps: int = 2) -> Supervised:
    method = Supervised(networks()[0], settings, CPU)
    for step in range(steps):
        method.train_step(LABELLED, None, step)
    return method


def test_a_teacher_of_decay_0_is_the_student_after_every_step():
    method = Supervised(networks()[0], replace(SUPERVISED, ema=0.0), CPU)
    for step in range(2):
        method.train_step(LABELLED, None, step)
        assert not changed(method.evaluated, snapshot(method.generator))


@pytest.mark.parametrize(("decay", "shares"), [(0.5, (0.25, 0.25, 0.5)), (1.0, (1 / 3, 1 / 3, 1 / 3))])
def test_the_first_steps_count_as_in_a_plain_mean(decay: float, shares: tuple[float, ...]):
    students = [DeepLabV2(C, "tiny") for _ in shares]
    for number, student in enumerate(students):
        student.backbone.bn1.running_mean.fill_(number)
        student.backbone.bn1.num_batches_tracked.fill_(number)
    teacher = Teacher(students[1], decay)
    for student in students:
        teacher.update(student)
    for name, average in teacher.network.state_dict().items():
        values = [student.state_dict()[name] for student in students]
        mean = sum(share * value for share, value in zip(shares, values, strict=True))
        torch.testing.assert_close(average, mean if average.is_floating_point() else values[-1], atol=1e-6, rtol=1e-5)


def test_a_teacher_looks_on():
    """The student of a run with one learns what it learns without; what is kept and validated is the teacher."""
    alone, watched = after(SUPERVISED), after(replace(SUPERVISED, ema=0.9))
    assert not changed(watched.generator, snapshot(alone.generator))
    assert changed(watched.evaluated, snapshot(watched.generator))
    assert not watched.evaluated.training
    assert not any(p.requires_grad for p in watched.evaluated.parameters())
    assert list(watched.networks()) == ["", "_student"]
    assert watched.networks()[""] is watched.evaluated
    assert alone.evaluated is alone.generator


def test_s4gan_has_one_too():
    method = S4GAN.build(networks()[0], replace(SETTINGS, ema=0.0), CPU)
    method.train_step(LABELLED, UNLABELLED, 0)
    assert list(method.networks()) == ["", "_student", "_D"]
    assert_close(method.evaluated, method.generator)
    assert method.labelling is method.generator


def test_a_restored_teacher_goes_on_where_it_was():
    whole, restored = after(replace(SUPERVISED, ema=0.9)), Supervised(networks(1)[0], replace(SUPERVISED, ema=0.9), CPU)
    restored.load_state_dict(copy.deepcopy(whole.state_dict()))
    for method in (whole, restored):
        method.train_step(LABELLED, None, 2)
    assert not changed(restored.evaluated, snapshot(whole.evaluated))
    assert restored.teacher is not None
    assert restored.teacher.updates == 3


def test_training_on_labelled_tiles_alone_keeps_the_teacher():
    assert S4GANSettings(9, threshold_st=0.5, ema=0.9).on_labelled_tiles_alone() == SupervisedSettings(9, ema=0.9)
