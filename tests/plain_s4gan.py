"""Small batches and networks for the tests of s4GAN, and its step in plain code to hold it against."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.methods.s4gan import S4GAN
from model.methods.settings import Execution, S4GANSettings
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator

CPU = torch.device("cpu")
C = 4  # classes
SETTINGS = S4GANSettings(num_steps=10, threshold_st=0.5, st_start=0)


class Batch(NamedTuple):
    image: Tensor
    mask: Tensor
    size: Tensor


def make_batch(seed: int, sizes: list[tuple[int, int]], window: tuple[int, int] = (32, 28)) -> Batch:
    """Random tiles of the given sizes inside the window; a tenth of their pixels has no class."""
    rng = torch.Generator().manual_seed(seed)
    image = torch.zeros(len(sizes), 3, *window, dtype=torch.uint8)
    mask = torch.full((len(sizes), *window), 255, dtype=torch.uint8)
    for row, (height, width) in enumerate(sizes):
        shade = torch.randint(0, 128, (3, 1, 1), generator=rng)
        noise = torch.randint(0, 128, (3, height, width), generator=rng)
        image[row, :, :height, :width] = shade + noise
        ids = torch.randint(0, C, (height, width), generator=rng)
        unknown = torch.rand(height, width, generator=rng) < 0.1
        mask[row, :height, :width] = ids.masked_fill(unknown, 255)
    return Batch(image, mask, torch.tensor(sizes))


LABELLED = make_batch(1, [(32, 28), (20, 28)])
UNLABELLED = make_batch(2, [(28, 22), (32, 14), (32, 28)])
UNLABELLED_PAIR = make_batch(3, [(32, 28), (20, 28)])


def networks(seed: int = 0, dropout: float = 0.5) -> tuple[DeepLabV2, Discriminator]:
    torch.manual_seed(seed)
    return DeepLabV2(C, "tiny"), Discriminator(C, dropout)


def build(
    settings: S4GANSettings = SETTINGS, seed: int = 0, dropout: float = 0.5, execution: Execution | None = None
) -> S4GAN:
    generator, discriminator = networks(seed, dropout)
    return S4GAN(generator, discriminator, settings, CPU, execution)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def changed(network: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def assert_close(network: nn.Module, expected: nn.Module) -> None:
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor, atol=1e-5, rtol=0, msg=name)


def assert_nearly(change: Tensor, expected: Tensor, name: str) -> None:
    assert expected.norm() > 0, name
    assert (change - expected).norm() < 1e-3 * expected.norm(), name


# --- A whole step: one graph, one backward pass a network, optimisers written out -------------------------------------


class PlainS4GAN:
    """The formulas of the paper, one after the other; without dropout."""

    def __init__(self, generator: DeepLabV2, discriminator: Discriminator, settings: S4GANSettings) -> None:
        self.generator, self.discriminator, self.settings = generator, discriminator, settings
        self.velocity = {name: torch.zeros_like(p) for name, p in generator.named_parameters()}
        self.mean = [torch.zeros_like(p) for p in discriminator.parameters()]
        self.square = [torch.zeros_like(p) for p in discriminator.parameters()]

    def step(self, labelled: Batch, unlabelled: Batch, step: int) -> dict[str, float]:
        s = self.settings
        self.generator.train()
        images, masks, inside = self.prepare(labelled)
        logits = self.generator(self.normalised(images, inside))
        loss_ce = self.cross_entropy(logits, masks)

        real = torch.zeros_like(logits)
        for b, h, w in torch.cartesian_prod(*(torch.arange(n) for n in masks.shape)).tolist():
            if inside[b, 0, h, w] and masks[b, h, w] == 255:
                real[b, :, h, w] = logits[b, :, h, w].detach().exp() / logits[b, :, h, w].detach().exp().sum()
            elif inside[b, 0, h, w]:
                real[b, masks[b, h, w], h, w] = 1

        other_images, _, other_inside = self.prepare(unlabelled)
        other_logits = self.generator(self.normalised(other_images, other_inside))
        fake = other_logits.exp() / other_logits.exp().sum(dim=1, keepdim=True) * other_inside
        judged, fake_features = self.discriminator(fake, other_images)
        _, real_features = self.discriminator(real, images)
        loss_fm = (real_features.mean(dim=0) - fake_features.mean(dim=0)).abs().mean()

        pseudo = torch.full_like(unlabelled.mask, 255, dtype=torch.long)
        believed = [1 / (1 + torch.exp(-logit)) > s.threshold_st for logit in judged]
        for row, (height, width) in enumerate(unlabelled.size.tolist()):
            if believed[row]:
                pseudo[row, :height, :width] = other_logits[row].argmax(dim=0)[:height, :width]
        loss_st = self.cross_entropy(other_logits, pseudo) if step >= s.self_training_start else torch.zeros(())

        loss_s = loss_ce + s.lambda_fm * loss_fm + s.lambda_st * loss_st
        self.descend(torch.autograd.grad(loss_s, list(self.generator.parameters())), step)

        on_fake, _ = self.discriminator(fake.detach(), other_images)
        on_real, _ = self.discriminator(real, images)
        bce_fake = -torch.log(1 - torch.sigmoid(on_fake)).mean()
        bce_real = -torch.log(torch.sigmoid(on_real)).mean()
        loss_d = 0.5 * (bce_fake + bce_real)
        self.discriminator_gradients = torch.autograd.grad(loss_d, list(self.discriminator.parameters()))
        return {
            "loss_ce": loss_ce.item(),
            "loss_fm": loss_fm.item(),
            "loss_st": loss_st.item(),
            "loss_S": loss_s.item(),
            "loss_D": loss_d.item(),
            "believed": sum(map(float, believed)) / len(believed),
        }

    def supervised_step(self, batch: Batch, step: int) -> float:
        self.generator.train()
        images, masks, inside = self.prepare(batch)
        loss = self.cross_entropy(self.generator(self.normalised(images, inside)), masks)
        self.descend(torch.autograd.grad(loss, list(self.generator.parameters())), step)
        return loss.item()

    @staticmethod
    def prepare(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        inside = torch.zeros(len(batch.image), 1, *batch.image.shape[2:])
        for row, (height, width) in enumerate(batch.size.tolist()):
            inside[row, :, :height, :width] = 1
        return batch.image.float() / 255, batch.mask.long(), inside

    @staticmethod
    def normalised(images: Tensor, inside: Tensor) -> Tensor:
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        return (images - mean[:, None, None]) / deviation[:, None, None] * inside

    @staticmethod
    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        known = labels != 255
        if not known.any():
            return logits.sum() * 0
        probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
        of_label = probabilities.permute(0, 2, 3, 1)[known].gather(1, labels[known][:, None])
        return -of_label.log().mean()

    @torch.no_grad()
    def descend(self, gradients: tuple[Tensor, ...], step: int) -> None:
        factor = (1 - step / self.settings.num_steps) ** self.settings.power
        for (name, p), gradient in zip(self.generator.named_parameters(), gradients, strict=True):
            is_norm = name.startswith("backbone.") and p.ndim == 1
            multiple, decays = (
                (1, not is_norm) if name.startswith("backbone.") else (10, True) if p.ndim == 4 else (20, False)
            )
            velocity = self.velocity[name]
            gradient = gradient + (self.settings.weight_decay * p if decays else 0)
            velocity.mul_(self.settings.momentum).add_(gradient)
            p -= multiple * self.settings.learning_rate * factor * velocity

    @torch.no_grad()
    def adam(self, gradients: tuple[Tensor, ...], step: int) -> None:
        rate = self.settings.learning_rate_D * (1 - step / self.settings.num_steps) ** self.settings.power
        rows = zip(self.discriminator.parameters(), gradients, self.mean, self.square, strict=True)
        for p, gradient, mean, square in rows:
            mean.mul_(0.9).add_(0.1 * gradient)
            square.mul_(0.99).add_(0.01 * gradient**2)
            corrected = mean / (1 - 0.9 ** (step + 1)), square / (1 - 0.99 ** (step + 1))
            p -= rate * corrected[0] / (corrected[1].sqrt() + 1e-8)
