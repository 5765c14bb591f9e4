import math

import pytest
import torch

from utils.optimisation.loss import (
    confident_labels,
    cross_entropy,
    discriminator_loss,
    feature_matching,
    self_training_labels,
)

LN2, LN3 = math.log(2), math.log(3)


def test_cross_entropy_is_the_mean_over_labelled_pixels():
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 1] = LN3  # probabilities 1/4, 3/4 everywhere
    labels = torch.tensor([[[0, 1, 1, 255]]])
    expected = (math.log(4) + 2 * math.log(4 / 3)) / 3
    assert cross_entropy(logits, labels).item() == pytest.approx(expected)


def test_cross_entropy_weighs_pixels_not_images():
    logits = torch.zeros(2, 2, 1, 3)
    logits[0, 0] = LN3
    labels = torch.tensor([[[0, 255, 255]], [[1, 0, 1]]])
    assert cross_entropy(logits, labels).item() == pytest.approx((math.log(4 / 3) + 3 * LN2) / 4)


def test_cross_entropy_of_parts_adds_up_to_that_of_the_batch():
    logits, labels = torch.randn(4, 3, 5, 5), torch.randint(0, 3, (4, 5, 5))
    labels[0] = 255
    labels[2, :2] = 255
    count = (labels != 255).sum()
    parts = [cross_entropy(logits[i : i + 2], labels[i : i + 2], count) for i in (0, 2)]
    torch.testing.assert_close(sum(parts), cross_entropy(logits, labels))


def test_ignored_pixels_get_no_gradient():
    logits = torch.zeros(1, 3, 1, 2, requires_grad=True)
    cross_entropy(logits, torch.tensor([[[1, 255]]])).backward()
    torch.testing.assert_close(logits.grad[0, :, 0], torch.tensor([[1 / 3, 0], [1 / 3 - 1, 0], [1 / 3, 0]]))


@pytest.mark.parametrize("count", [None, torch.tensor(0)])
def test_all_ignored_is_zero_with_zero_gradients(count):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = cross_entropy(logits, torch.full((2, 4, 4), 255), count)
    loss.backward()
    assert loss.item() == 0
    assert math.copysign(1, loss.item()) == 1  # no "-0" in the log
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_cross_entropy_of_bfloat16_logits_is_computed_in_float32():
    logits = torch.zeros(1, 2, 100, 100, dtype=torch.bfloat16)
    loss = cross_entropy(logits, torch.zeros(1, 100, 100, dtype=torch.long))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(LN2, rel=1e-6)


def test_feature_matching_compares_means_of_batches_of_any_size():
    real = torch.tensor([[1.0, 2.0], [3.0, 4.0]])  # mean 2, 3
    fake = torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, 0.0]])  # mean 3, 0
    assert feature_matching(real, fake).item() == (1 + 3) / 2
    assert feature_matching(real, real.flip(0)).item() == 0


def test_feature_matching_has_the_gradient_of_a_mean_difference():
    fake = torch.tensor([[4.0, 0.0], [4.0, 0.0]], requires_grad=True)
    feature_matching(torch.tensor([[1.0, 2.0]]), fake).backward()
    assert fake.grad.tolist() == [[0.25, -0.25], [0.25, -0.25]]  # sign / (2 images · 2 features)


def test_discriminator_loss_by_hand():
    real, fake = torch.tensor([0.0]), torch.tensor([LN3, LN3])  # σ = 1/2 and 3/4
    expected = 0.5 * (math.log(2) + math.log(4))
    assert discriminator_loss(real, fake).item() == pytest.approx(expected)


def test_discriminator_loss_wants_real_up_and_fake_down():
    real, fake = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    discriminator_loss(real, fake).backward()
    assert real.grad.tolist() == [-0.125, -0.125]  # ½ · (σ - 1) / 2 images
    assert fake.grad.tolist() == [0.25]


def test_discriminator_loss_of_sure_logits_is_finite():
    assert discriminator_loss(torch.tensor([-200.0]), torch.tensor([200.0])).item() == 200


def test_images_are_believed_one_by_one_where_the_sigmoid_exceeds_the_threshold():
    logits = torch.zeros(3, 3, 1, 2)
    logits[:, 2, 0, 0] = logits[:, 1, 0, 1] = 5
    judgement = torch.tensor([0.5, 0.4, -3.0])  # σ = 0.622, 0.599, 0.047: as logits none is above 0.6
    inside = torch.ones(3, 1, 1, 2, dtype=torch.bool)
    labels = self_training_labels(logits, judgement, inside, threshold=0.6)
    assert labels.tolist() == [[[2, 1]], [[255, 255]], [[255, 255]]]
    assert labels.dtype == torch.long


def test_an_image_at_the_threshold_is_not_believed():
    arguments = torch.zeros(1, 2, 1, 1), torch.zeros(1), torch.ones(1, 1, 1, 1, dtype=torch.bool)
    assert self_training_labels(*arguments, threshold=0.5).item() == 255
    assert self_training_labels(*arguments, threshold=0.4999).item() == 0


def test_padding_is_never_pseudo_labelled():
    inside = torch.tensor([[[[True, True, False], [False, False, False]]]])
    logits = torch.zeros(1, 2, 2, 3)
    logits[:, 1] = 1
    labels = self_training_labels(logits, torch.tensor([50.0]), inside, threshold=0.9)
    assert labels.tolist() == [[[1, 1, 255], [255, 255, 255]]]


def test_nothing_believed_gives_no_loss():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    labels = self_training_labels(logits, torch.zeros(2), torch.ones(2, 1, 4, 4, dtype=torch.bool), threshold=0.6)
    loss = cross_entropy(logits, labels)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_labels_are_learned_from_where_the_confidence_reaches_the_threshold_inside():
    ids, confidence = torch.tensor([[[2, 0, 1, 1]]]), torch.tensor([[[0.9, 0.95, 0.99, 1.0]]])
    inside = torch.tensor([[[[True, True, True, False]]]])
    assert confident_labels(ids, confidence, inside, 0.95).tolist() == [[[255, 0, 1, 255]]]
    assert confident_labels(ids, confidence, inside, 1.01).tolist() == [[[255] * 4]]
