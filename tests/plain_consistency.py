"""Small batches with strong views, and the steps of FixMatch and UniMatch in plain code to hold them against."""

import copy
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from model.methods import build_method
from model.methods.consistency import Consistency
from model.methods.settings import ConsistencySettings, Execution
from model.methods.unimatch import channel_scales
from model.networks.deeplabv2 import DeepLabV2
from tests.plain_s4gan import Batch, PlainS4GAN, make_batch, networks
from utils.augmentation.parameters import Appearance, StrongViews
from utils.augmentation.strong import Pixels, changed
from utils.imagery.pixels import RGB_PIXELS, PixelFormat


class Viewed(NamedTuple):
    image: Tensor
    mask: Tensor
    size: Tensor
    partner: Batch
    views: StrongViews
    seed: Tensor


def make_views(seed: int, count: int, boxes: list[list[tuple[int, int, int, int]]]) -> StrongViews:
    """Strong changes of a batch, a box for each tile and view."""
    rng = torch.Generator().manual_seed(seed)

    def appearance() -> Appearance:
        shape = (len(boxes), count)
        factors = [0.5 + torch.rand(shape, generator=rng) for _ in range(3)]
        hue, blur = (torch.rand(shape, generator=rng) * scale for scale in (0.2, 1.5))
        return Appearance(*factors, hue, torch.rand(shape, generator=rng) < 0.3, blur)

    return StrongViews(appearance(), appearance(), torch.tensor(boxes)[:, :count])


def make_viewed(
    seed: int,
    views: int,
    sizes: tuple[tuple[int, int], ...] = ((32, 28), (20, 28)),
    partner_sizes: tuple[tuple[int, int], ...] = ((25, 20), (32, 28)),
) -> Viewed:
    """Random tiles and partners with boxes in the one or the other view; none in the first tile's second view."""
    boxes = [[(4, 6, 20, 18), (0, 0, 0, 0)], [(10, 0, 22, 9), (3, 3, 8, 25)]] * (len(sizes) // 2)
    own, partner = (make_batch(seed + n, list(of)) for n, of in ((0, sizes), (100, partner_sizes)))
    return Viewed(*own, partner, make_views(seed, views, boxes), torch.arange(len(sizes)) + seed)


def rows_of(batch: Viewed, rows: Tensor | slice) -> Viewed:
    """Some tiles of a batch."""
    partner, views = Batch(*(field[rows] for field in batch.partner)), batch.views.map(lambda field: field[rows])
    return Viewed(batch.image[rows], batch.mask[rows], batch.size[rows], partner, views, batch.seed[rows])


def build(
    settings: ConsistencySettings,
    seed: int = 0,
    execution: Execution | None = None,
    pixels: PixelFormat = RGB_PIXELS,
    sharper: float = 1.0,
) -> Consistency:
    """A method around a tiny generator, whose head is `sharper` times surer than at the start."""
    generator, _ = networks(seed)
    with torch.no_grad():
        for classifier in generator.head:
            classifier.weight.mul_(sharper)
    method = build_method(settings, generator, "cpu", execution, pixels)
    assert isinstance(method, Consistency)
    return method


# --- Whole steps: one graph, one backward pass, pseudo-labels pixel by pixel -----------------------------------------


class PlainConsistency:
    """The formulas of both papers, one after the other."""

    def __init__(self, method: Consistency) -> None:
        self.settings, self.student = method.settings, copy.deepcopy(method.generator)
        self.teacher: DeepLabV2 | None = None  # begins as the student after the first step
        self.sgd = PlainS4GAN(self.student, networks()[1], self.settings)  # type: ignore[arg-type]

    def labels(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = logits.detach().exp() / logits.detach().exp().sum(dim=1, keepdim=True)
        return probabilities.argmax(dim=1), probabilities.amax(dim=1)

    def strong(
        self, batch: Viewed, view: int, own: tuple[Tensor, ...], partner: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Images, the pixels inside, ids and confidences of a strong view; boxes are cut out and pasted one by one."""
        numbers = batch.views.of(view)
        (images, inside), (others, inside_others) = (self.pixels(tiles) for tiles in (batch, batch.partner))
        mixed = [
            changed(Pixels(images, inside.bool()), numbers.own, RGB_PIXELS),
            inside.clone(),
            *(t.clone() for t in own),
        ]
        pasted = [changed(Pixels(others, inside_others.bool()), numbers.partner, RGB_PIXELS), inside_others, *partner]
        for row, (top, left, height, width) in enumerate(numbers.box.tolist()):
            box = (..., slice(top, top + height), slice(left, left + width))
            is_data = inside_others[row][box][0] == 1
            for field, of_partner in zip(mixed, pasted, strict=True):
                field[row][box] = torch.where(is_data, of_partner[row][box], field[row][box])
        return tuple(mixed)

    @staticmethod
    def pixels(batch: Viewed | Batch) -> tuple[Tensor, Tensor]:
        images, _, inside = PlainS4GAN.prepare(batch)  # type: ignore[arg-type]
        return images, inside

    def cross_entropy(self, logits: Tensor, ids: Tensor, confidence: Tensor, inside: Tensor) -> Tensor:
        """Over the pixels that are sure enough, divided by the number of all that hold data."""
        kept = (confidence >= self.settings.pseudo_threshold) & (inside[:, 0] == 1)
        log_probabilities = F.log_softmax(logits, dim=1).gather(1, ids[:, None])[:, 0]
        return -(log_probabilities * kept).sum() / inside.sum()

    def fixmatch_step(self, labelled: Batch, batch: Viewed, step: int) -> dict[str, float]:
        teacher = (self.teacher or self.student).eval()
        with torch.no_grad():
            own, partner = (
                self.labels(teacher(PlainS4GAN.normalised(*self.pixels(tiles)))) for tiles in (batch, batch.partner)
            )
        images, inside, ids, confidence = self.strong(batch, 0, own, partner)
        labelled_images, masks, labelled_inside = PlainS4GAN.prepare(labelled)
        joint = torch.cat(
            [PlainS4GAN.normalised(labelled_images, labelled_inside), PlainS4GAN.normalised(images, inside)]
        )
        logits = self.student.train()(joint)
        on_masks, on_labels = logits[: len(masks)], logits[len(masks) :]
        loss_ce = PlainS4GAN.cross_entropy(on_masks, masks)
        loss_u = self.cross_entropy(on_labels, ids, confidence, inside)
        self.descend((loss_ce + loss_u) / 2, step)
        same = ((on_labels.argmax(dim=1) == ids) & (inside[:, 0] == 1)).sum() / inside.sum()
        return {"loss_ce": loss_ce.item(), "loss_u": loss_u.item(), "agreement": same.item()}

    def unimatch_step(self, labelled: Batch, batch: Viewed, step: int) -> dict[str, float]:
        with torch.no_grad():
            partner = self.labels(self.student.eval()(PlainS4GAN.normalised(*self.pixels(batch.partner))))
        network = self.student.train()
        labelled_images, masks, labelled_inside = PlainS4GAN.prepare(labelled)
        images, inside = self.pixels(batch)
        weak = PlainS4GAN.normalised(images, inside)
        features = network.backbone(torch.cat([PlainS4GAN.normalised(labelled_images, labelled_inside), weak]))
        scales = channel_scales(batch.seed, features.shape[1])
        dropped = features[len(masks) :] * scales[:, :, None, None]
        on_masks, on_weak, perturbed = (
            F.interpolate(network.head(part), images.shape[2:], mode="bilinear", align_corners=True)
            for part in (features[: len(masks)], features[len(masks) :], dropped)
        )
        own = self.labels(on_weak)
        strong = [self.strong(batch, view, own, partner) for view in (0, 1)]
        first, second = network(torch.cat([PlainS4GAN.normalised(*view[:2]) for view in strong])).chunk(2)
        loss_ce = PlainS4GAN.cross_entropy(on_masks, masks)
        loss_fp = self.cross_entropy(perturbed, *own, inside)
        loss_s1, loss_s2 = (
            self.cross_entropy(logits, ids, confidence, seen)
            for logits, (_, seen, ids, confidence) in ((first, strong[0]), (second, strong[1]))
        )
        self.descend((loss_ce + 0.25 * loss_s1 + 0.25 * loss_s2 + 0.5 * loss_fp) / 2, step)
        named = {"loss_ce": loss_ce, "loss_s1": loss_s1, "loss_s2": loss_s2, "loss_fp": loss_fp}
        return {name: loss.item() for name, loss in named.items()}

    def descend(self, loss: Tensor, step: int) -> None:
        """SGD, then the moving average of weights and statistics."""
        self.sgd.descend(torch.autograd.grad(loss, list(self.student.parameters())), step)
        if self.settings.ema is None:
            return
        self.teacher = self.teacher or copy.deepcopy(self.student)
        decay = min(1 - 1 / (step + 1), self.settings.ema)
        with torch.no_grad():
            pairs = zip(self.teacher.state_dict().values(), self.student.state_dict().values(), strict=True)
            for average, value in pairs:
                average.copy_(decay * average + (1 - decay) * value if value.is_floating_point() else value)
