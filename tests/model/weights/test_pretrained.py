"""Weights of a pre-training: one file that other commands take, which says what it has learned from."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.networks.classifier import build_classifier
from model.networks.deeplabv2 import DeepLabV2
from model.networks.resnet import build_encoder
from model.settings import LearnerSettings, NetworkSettings
from model.weights.pretrained import FILE, Pretraining, origin_of_file, pretraining_of, write_pretrained
from model.weights.start import load_first_weights, origin_of
from tests.weight_writers import assert_equal
from utils.digests import digest_of
from utils.errors import DataError
from utils.imagery.bands import RGB_BANDS, Bands
from utils.runs.files import write_names
from utils.runs.origin import SeenTiles
from utils.runs.record import RunRecord

SEEN = SeenTiles.of("self", ["a", "b"], ["1" * 16, "2" * 16])
TOLD = Pretraining("self", "tiny", RGB_BANDS, (64, 96), 12, (SEEN,))
FOUR = Bands(tuple("abcd"), (1, 2, 3, 4), ((0, 3000),) * 4, (0.5,) * 4, (0.2,) * 4, (0, 1, 2))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    encoder, _ = build_encoder("tiny")
    write_pretrained(tmp_path / FILE, encoder.state_dict(), TOLD)
    return tmp_path / FILE


def test_it_says_what_it_was_told(file: Path):
    assert pretraining_of(file) == TOLD
    assert set(torch.load(file, weights_only=True)) == {"state_dict", "pretraining"}
    torch.save(DeepLabV2(3, "tiny").state_dict(), file)
    assert pretraining_of(file) is None


@pytest.mark.parametrize("source", ["file", "folder"])
def test_a_generator_starts_from_it_and_its_batchnorm_learns(file: Path, source: str, capsys):
    generator = DeepLabV2(3, "tiny")
    network = NetworkSettings("tiny", restore_from=file if source == "file" else file.parent)
    assert not load_first_weights(generator, network)  # not ImageNet's, whose BatchNorm is frozen
    assert "backbone.pth: 96 of 96 backbone tensors loaded" in capsys.readouterr().out
    assert_equal(generator.backbone.state_dict(), torch.load(file, weights_only=True)["state_dict"])
    origin = origin_of(network)
    assert origin is not None
    assert (origin.file, origin.sha256, origin.seen) == (FILE, digest_of(file), (SEEN,))


def test_a_classifier_starts_from_it_and_its_last_layer_is_new(file: Path, capsys):
    classifier = build_classifier(LearnerSettings("tiny", str(file)), 4)
    saved = torch.load(file, weights_only=True)["state_dict"]
    assert all(torch.equal(classifier.network.state_dict()[name], tensor) for name, tensor in saved.items())
    assert "new, as the file has no such layer: fc.weight, fc.bias" in capsys.readouterr().out


def test_images_that_it_has_not_learned_to_see_are_refused(file: Path):
    other = replace(RGB_BANDS, mean=(0.1, 0.2, 0.3))
    write_pretrained(file, build_encoder("tiny", 4)[0].state_dict(), replace(TOLD, bands=FOUR))
    ranges = replace(FOUR, ranges=((0, 3000),) * 3 + ((0, 255),))
    for bands, words in (
        (RGB_BANDS, "tiles with the bands a, b, c, d, and this data set has red, green, blue; pre-train on"),
        (ranges, "value ranges 0 to 3000, 0 to 3000, 0 to 3000, 0 to 3000, and this data set has 0 to 3000, 0 to 3000"),
        (replace(FOUR, std=(0.3,) * 4), r"with the deviation \[0.2, 0.2, 0.2, 0.2\], and this data set has \[0.3"),
    ):
        with pytest.raises(DataError, match=f"backbone.pth was pre-trained on .*{words}"):
            load_first_weights(DeepLabV2(3, "tiny", len(bands.names)), NetworkSettings("tiny", str(file)), bands)
        with pytest.raises(DataError, match=words):
            build_classifier(LearnerSettings("tiny", str(file)), 4, bands)
    load_first_weights(DeepLabV2(3, "tiny", 4), NetworkSettings("tiny", str(file)), replace(FOUR, indices=(4, 3, 2, 1)))
    write_pretrained(file, build_encoder("tiny")[0].state_dict(), TOLD)
    with pytest.raises(DataError, match="with the mean"):
        build_classifier(LearnerSettings("tiny", str(file)), 4, other)


def test_another_backbone_is_refused(file: Path):
    with pytest.raises(DataError, match="with the backbone tiny, and this run has backbone resnet18; give the same"):
        load_first_weights(DeepLabV2(3, "resnet18"), NetworkSettings("resnet18", restore_from=str(file)))
    with pytest.raises(DataError, match="with the backbone tiny, and this run has model_name resnet18; give the same"):
        build_classifier(LearnerSettings("resnet18", str(file)), 4)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("nothing", "is of version None, and this program reads 1"),
        ({"version": 2}, "is of version 2, and this program reads 1; use a newer program"),
        ({"version": 1}, "does not say what it was pre-trained on"),
        (TOLD.as_json() | {"bands": 5}, "does not say what it was pre-trained on .`bands` is 5"),
        (TOLD.as_json() | {"seen": [{}]}, "does not say what it was pre-trained on"),
        (TOLD.as_json() | {"input_size": [1]}, "does not say what it was pre-trained on"),
    ],
)
def test_a_file_that_says_something_else_is_refused(file: Path, told: object, words: str):
    torch.save({"state_dict": build_encoder("tiny")[0].state_dict(), "pretraining": told}, file)
    with pytest.raises(DataError, match=f"{FILE} {words}"):
        load_first_weights(DeepLabV2(3, "tiny"), NetworkSettings("tiny", restore_from=str(file)))


def test_weights_of_a_run_have_learned_from_its_labelled_tiles_and_what_its_own_weights_had_seen(tmp_path: Path):
    weights = origin_of_file(pretrained(tmp_path / FILE))
    run = tmp_path / "run"
    run.mkdir()
    torch.save(DeepLabV2(3, "tiny").state_dict(), run / "best.pth")
    RunRecord("tiny", ("a", "b", "c"), ((1, 1, 1),) * 3, weights=weights).write(run / "options.json")
    write_names(run / "labelled_names.txt", ["x", "y"])
    for source in (run, run / "best.pth"):
        origin = origin_of(NetworkSettings("tiny", restore_from=source))
        assert origin is not None
        assert (origin.file, origin.seen) == ("best.pth", (SeenTiles.of("masks", ["x", "y"]), SEEN))


def pretrained(path: Path) -> Path:
    write_pretrained(path, build_encoder("tiny")[0].state_dict(), TOLD)
    return path


def test_random_weights_have_no_origin(tmp_path: Path):
    assert origin_of(NetworkSettings("tiny")) is None
    assert origin_of(NetworkSettings("resnet101", restore_from="none")) is None
    torch.save(build_encoder("tiny")[0].state_dict(), tmp_path / "other.pth")
    origin = origin_of(NetworkSettings("tiny", restore_from=tmp_path / "other.pth"))
    assert origin is not None
    assert (origin.file, origin.seen) == ("other.pth", ())
