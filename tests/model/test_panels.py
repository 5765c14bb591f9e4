"""What `tiles.png` and `curves.png` of a training run show and say."""

import numpy as np
import pytest
import torch

from data.batches.loaders import named_tiles
from data.dataset_json import load_description
from data.tiles import Tiles, open_tiles
from model import panels
from model.methods import METHODS, build_method
from model.methods.method import Method
from model.methods.s4gan import S4GAN
from model.methods.settings import FixMatchSettings, S4GANSettings, SupervisedSettings, UniMatchSettings
from model.methods.supervised import Supervised
from model.metrics import metric_columns
from model.networks.deeplabv2 import DeepLabV2
from model.networks.discriminator import Discriminator
from model.panels import draw_panels, spread
from tests.conftest import write_custom, write_image
from utils.drawing.pictures import colourise
from utils.evaluation.views import predict_probabilities
from utils.evaluation.windows import WindowBatch, Windows
from utils.imagery.labels import IGNORE_INDEX


def settings(**changes: float) -> S4GANSettings:
    return S4GANSettings(**{"num_steps": 100, "threshold_st": 0.6, "st_start": 50} | changes)


@pytest.fixture(scope="module")
def s4gan() -> S4GAN:
    torch.manual_seed(0)
    return S4GAN(DeepLabV2(3, "tiny"), Discriminator(3), settings(), torch.device("cpu"))


@pytest.fixture(scope="module")
def supervised() -> Supervised:
    return Supervised(DeepLabV2(3, "tiny"), SupervisedSettings(100), torch.device("cpu"))


def test_tiles_are_spread_over_all_kinds_of_names():
    names = [f"{kind}{number:02d}" for kind in "abcdefgh" for number in range(10)]
    order = np.random.default_rng(0).permutation(80).tolist()
    shuffled = [names[i] for i in order]
    labelled, unlabelled = spread(range(80), shuffled, 0.25), spread(range(80), shuffled, 0.75)
    assert [shuffled[i][0] for i in labelled] == ["a", "c", "e", "g"]
    assert [shuffled[i][0] for i in unlabelled] == ["b", "d", "f", "h"]
    assert spread([3, 1], ["d", "c", "b", "a"], 0.25) == [3, 1]  # fewer than asked for: all of them
    assert len(set(spread(range(5), "abcde", 0.75))) == 4


@pytest.mark.parametrize(
    ("score", "step", "words"),
    [
        (0.9, 49, "no pseudo-label yet: self-training begins after step 50"),
        (0.41, 50, "no pseudo-label: the score 0.410 is not above the threshold 0.6"),
        (0.61, 50, ""),
    ],
)
def test_it_says_why_nothing_is_learned_from_a_tile(s4gan, supervised, score, step, words):
    assert s4gan.no_pseudo_label(score, step) == words
    assert supervised.no_pseudo_label(None, step) == "not used: this run learns from labelled tiles alone"
    assert Method.no_pseudo_label(supervised, None, step) == "no pseudo-label: this method makes none"


@pytest.fixture(scope="module")
def fixmatch() -> Method:
    torch.manual_seed(0)
    return build_method(FixMatchSettings(100), DeepLabV2(3, "tiny"), "cpu")


@pytest.fixture(scope="module")
def unimatch() -> Method:
    return build_method(UniMatchSettings(100), DeepLabV2(3, "tiny"), "cpu")


@pytest.mark.parametrize("name", METHODS)
def test_every_curve_is_a_column_and_has_words(request, name):
    method: Method = request.getfixturevalue(name)
    curves = method.curves()
    columns = [column for panel in curves for column in panel.columns]
    assert {*columns} <= {*metric_columns(method, ("field", "forest", "water"))}
    words = [text for panel in curves for text in (panel.title, *panel.columns.values())]
    assert not any("_" in text for text in words)
    assert ("self-training loss on unlabelled tiles (after step 50)" in words) == (name == "s4gan")


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
    notice = panels.notice
    monkeypatch.setattr(panels, "notice", lambda text, size: said.append(text) or notice(text, size))
    generator, device = DeepLabV2(3, "tiny"), torch.device("cpu")
    alone = Supervised(generator, SupervisedSettings(100), device)
    method = S4GAN(generator, discriminator, settings(), device) if discriminator is not None else alone
    labelled, unlabelled = tiles.labelled_positions()
    some = named_tiles(tiles, spread(labelled, tiles.names, 0.25), (40, 48))
    others = named_tiles(tiles, spread(unlabelled, tiles.names, 0.75), (40, 48))
    description = tiles.reader.description
    picture = draw_panels(method, some, others, description.legend, description.colours, step=60)
    assert picture.width > 6 * 180
    assert len(said) == notices
    assert said[0] == "no pixel of this mask has a label"


@pytest.mark.parametrize(("threshold", "notice"), [(1.01, "no pixel's confidence is 1.01 or more"), (0.0, None)])
def test_pseudo_labels_are_the_teachers_where_it_is_sure(tiles, monkeypatch, threshold, notice):
    """The student, which is another network by now, is asked for nothing."""
    method = build_method(FixMatchSettings(100, pseudo_threshold=threshold), DeepLabV2(3, "tiny"), "cpu")
    torch.nn.init.constant_(method.generator.head[0].bias, float("nan"))
    said: list[str] = []
    original = panels.notice
    monkeypatch.setattr(panels, "notice", lambda text, size: said.append(text) or original(text, size))
    others = named_tiles(tiles, tiles.labelled_positions()[1][:1], (40, 48))
    description = tiles.reader.description
    draw_panels(method, [], others, description.legend, description.colours, step=60)
    assert said == ([f"no pseudo-label: {notice}"] if notice else [])


@pytest.mark.parametrize(
    ("kept", "is_of_label", "captions"),
    [
        (1.0, False, ("pseudo-label", "prediction, score 0.250")),
        (0.426, False, ("pseudo-label, 43% of it", "prediction, score 0.250")),
        (1.0, True, ("pseudo-label, score 0.250", "prediction")),  # the map of another network was judged
    ],
)
def test_captions_say_what_part_is_learned_and_whose_map_was_judged(kept, is_of_label, captions):
    blank = np.zeros((2, 2), np.uint8)
    tile = panels._Tile(blank, blank, blank, blank, kept, 0.25, is_of_label)
    assert panels._captions(tile, "") == captions
    assert panels._captions(tile, "because")[0] == ""


def test_predictions_are_those_of_windows(supervised, tiles, monkeypatch):
    """What is shown is what evaluation scores, where crops are smaller than tiles."""
    shown: list[np.ndarray] = []
    monkeypatch.setattr(panels, "colourise", lambda ids, colours: shown.append(ids) or colourise(ids, colours))
    description, windows = tiles.reader.description, Windows((16, 16), (16, 16), overlap=0)
    some = named_tiles(tiles, [1], (32, 32))
    draw_panels(supervised, some, [], description.legend, description.colours, step=60, windows=windows)
    network, (_, batch) = supervised.evaluated.eval(), next(iter(named_tiles(tiles, [1], (32, 32))))
    prediction = np.empty((32, 32), np.uint8)
    for top in (0, 16):
        for left in (0, 16):
            window = WindowBatch(batch.image[:, :, top : top + 16, left : left + 16], torch.tensor([(16, 16)]))
            maps = predict_probabilities(network, window, torch.device("cpu"), "fp32")
            prediction[top : top + 16, left : left + 16] = maps[0].argmax(dim=0).numpy()
    np.testing.assert_array_equal(shown[-1], prediction)
    whole = predict_probabilities(network, batch, torch.device("cpu"), "fp32")[0].argmax(dim=0).numpy()
    assert (whole != prediction).any()
