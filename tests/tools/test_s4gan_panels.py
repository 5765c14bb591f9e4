"""What `tiles.png` and `curves.png` of a training run show and say."""

import numpy as np
import pytest
import torch

from data.dataset_json import load_description
from data.tiles import Tiles, open_tiles
from model.methods.s4gan import S4GAN
from model.methods.settings import MethodSettings, S4GANSettings
from model.methods.supervised import Supervised
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from tests.conftest import write_custom, write_image
from tools import s4gan_panels
from tools.cli.train_options import metric_columns
from tools.s4gan_panels import draw_panels, no_pseudo_label, panels_of_curves, spread
from utils.labels import IGNORE_INDEX


def settings(**changes: float) -> S4GANSettings:
    return S4GANSettings(**{"num_steps": 100, "threshold_st": 0.6, "st_start": 50} | changes)


def test_tiles_are_spread_over_all_kinds_of_names():
    names = [f"{kind}{number:02d}" for kind in "abcdefgh" for number in range(10)]
    order = np.random.default_rng(0).permutation(80).tolist()
    shuffled = [names[i] for i in order]
    labelled, unlabelled = spread(range(80), shuffled, 4, 0.25), spread(range(80), shuffled, 4, 0.75)
    assert [shuffled[i][0] for i in labelled] == ["a", "c", "e", "g"]
    assert [shuffled[i][0] for i in unlabelled] == ["b", "d", "f", "h"]
    assert spread([3, 1], ["d", "c", "b", "a"], 4, 0.25) == [3, 1]  # fewer than asked for: all of them
    assert len(set(spread(range(5), "abcde", 4, 0.75))) == 4


@pytest.mark.parametrize(
    ("score", "step", "words"),
    [
        (None, 60, "not used: this run learns from labelled tiles alone"),
        (0.9, 49, "no pseudo-label yet: self-training begins after step 50"),
        (0.41, 50, "no pseudo-label: the score 0.410 is not above the threshold 0.6"),
        (0.61, 50, ""),
    ],
)
def test_it_says_why_nothing_is_learned_from_a_tile(score, step, words):
    assert no_pseudo_label(settings(), score, step) == words


def test_every_curve_is_a_column_and_has_words(tmp_path):
    description = load_description("custom", write_custom(tmp_path / "custom").folder)
    panels = panels_of_curves(settings())
    columns = [column for panel in panels for column in panel.columns]
    assert {*columns} <= {*metric_columns(description)}
    words = [text for panel in panels for text in (panel.title, *panel.columns.values())]
    assert not any("_" in text for text in words)
    assert "self-training loss on unlabelled tiles (after step 50)" in words


@pytest.fixture(scope="module")
def tiles(tmp_path_factory) -> Tiles:
    """Twelve tiles, the first six labelled, of which one has a mask without any label."""
    tiny = write_custom(tmp_path_factory.mktemp("panels") / "custom", count=12)
    write_image(tiny.folder / "masks" / f"{tiny.names[0]}.png", np.full((32, 32), IGNORE_INDEX, np.uint8))
    return open_tiles(load_description("custom", tiny.folder), tiny.folder, tiny.names, tiny.names[:6])


@pytest.mark.parametrize(("score", "notices"), [(-9.0, 5), (9.0, 1), (None, 5)])
def test_tiles_of_a_run_show_maps_or_say_why_not(tiles, score, notices, monkeypatch):
    torch.manual_seed(0)
    discriminator = None if score is None else Discriminator(3)
    if discriminator is not None:
        head = [module for module in discriminator.modules() if isinstance(module, torch.nn.Linear)][-1]
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.constant_(head.bias, score)
    said: list[str] = []
    notice = s4gan_panels.notice
    monkeypatch.setattr(s4gan_panels, "notice", lambda text, size: said.append(text) or notice(text, size))
    generator, device = DeepLabV2(3, "tiny"), torch.device("cpu")
    alone = Supervised(generator, MethodSettings(100), device)
    method = S4GAN(generator, discriminator, settings(), device) if discriminator is not None else alone
    picture = draw_panels(method, tiles, tiles.reader.description, (32, 32), step=60)
    assert picture.width > 6 * 180
    assert len(said) == notices
    assert said[0] == "no pixel of this mask has a label"
