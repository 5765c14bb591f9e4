import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.networks.deeplabv2 import DeepLabV2
from model.trained import Trained
from tests.conftest import CUSTOM, picture, write_image
from utils.errors import DataError, OptionError
from utils.evaluation.settings import CRFSettings, WindowSettings
from utils.evaluation.windows import ArrayImage
from utils.imagery.bands import Bands
from utils.imagery.images import normalise, to_unit_range
from utils.runs.record import RunRecord

CPU = torch.device("cpu")
COLOURS = [[10, 20, 30], [200, 0, 0], [0, 0, 250]]
RECORD = RunRecord("tiny", tuple(CUSTOM["classes"]), tuple((r, g, b) for r, g, b in COLOURS))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with checkpoints of steps 90 and 400."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    for step in (90, 400):
        torch.manual_seed(step)
        network = DeepLabV2(3, "tiny").eval()
        with torch.inference_mode():  # no class takes a whole map
            network.head[0].bias -= network(normalised(picture(99, (64, 64)))).mean(dim=(0, 2, 3))
        torch.save(network.state_dict(), folder / f"checkpoint{step}.pth")
    record = {"backbone": "tiny", "classes": CUSTOM["classes"], "colours": COLOURS, "tile_size": [32, 32]}
    (folder / "options.json").write_text(json.dumps(record))
    return folder


def normalised(image: np.ndarray) -> torch.Tensor:
    return normalise(to_unit_range(torch.from_numpy(image).permute(2, 0, 1)[None], CPU))


def opened(path: Path, **options) -> Trained:
    return Trained.open(path, device="cpu", precision="fp32", **options)


def test_a_run_tells_what_its_network_is(run):
    trained = opened(run)
    assert trained.checkpoint == run / "checkpoint400.pth"
    assert trained.classes == tuple(CUSTOM["classes"])
    assert trained.colours == ((10, 20, 30), (200, 0, 0), (0, 0, 250))
    assert trained.tile_size == (32, 32)
    assert trained.record.backbone == "tiny"


def test_probabilities_are_the_networks_and_ids_their_likeliest(run):
    trained, image = opened(run / "checkpoint90.pth"), picture(3, (20, 27))
    with torch.inference_mode():
        expected = trained.network(normalised(image)).softmax(dim=1)[0].numpy()
    probabilities = trained.probabilities(image)
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (3, 20, 27))
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    ids = trained.predict(image)
    assert (ids.dtype, ids.shape) == (np.uint8, (20, 27))
    np.testing.assert_array_equal(ids, expected.argmax(axis=0))


@pytest.mark.parametrize("crf", [None, CRFSettings(iterations=2, bilateral_sigma_rgb=20)])
def test_maps_are_those_that_predict_writes(run, tmp_path, crf):
    from tools import predict

    image = picture(5, (50, 71))
    write_image(tmp_path / "a.png", image)
    words = ["--flip", "--crf", "--crf-iterations", "2", "--crf-colour-sigma", "20"] if crf else ["--flip"]
    options = [
        "--checkpoint-dir",
        run,
        "--images",
        tmp_path / "a.png",
        "--save-dir",
        tmp_path / "maps",
        *words,
    ]
    assert predict.main([*map(str, options), "--device", "cpu", "--precision", "fp32"]) == 0
    ids = opened(run).predict(image, WindowSettings(flip=True), crf)
    np.testing.assert_array_equal(ids, np.array(Image.open(tmp_path / "maps" / "ids" / "a.png")))
    assert len(np.unique(ids)) > 1


def test_several_images_of_one_size_come_as_one_array(run):
    trained = opened(run)
    images = np.stack([picture(seed, (40, 33)) for seed in range(3)])
    parts: list[float] = []
    ids = trained.predict(images, finished=parts.append)
    assert ids.shape == (3, 40, 33)
    assert sum(parts) == pytest.approx(3)
    for image, map_ in zip(images, ids, strict=True):
        np.testing.assert_array_equal(trained.predict(image), map_)
    assert trained.probabilities(images).shape == (3, 3, 40, 33)


def test_an_image_may_be_a_view_that_cannot_be_written(run):
    image = picture(1, (32, 40))
    view = image[:, ::-1]
    view.flags.writeable = False
    np.testing.assert_array_equal(opened(run).predict(view), opened(run).predict(np.ascontiguousarray(view)))


def test_without_a_record_the_caller_says_what_the_network_is(run, tmp_path):
    alone = tmp_path / "checkpoint400.pth"
    alone.write_bytes((run / "checkpoint400.pth").read_bytes())
    with pytest.raises(OptionError, match=r"no options.json beside .*give `record`"):
        opened(alone)
    image = picture(2, (32, 32))
    trained = opened(alone, record=RECORD)
    with pytest.raises(OptionError, match="how large its training tiles were; give input_size"):
        trained.predict(image)
    ids = trained.predict(image, WindowSettings((32, 32)))
    np.testing.assert_array_equal(ids, opened(run).predict(image))


@pytest.mark.parametrize(
    "image",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
)
def test_what_is_no_image_is_refused(run, image):
    with pytest.raises(OptionError, match=r"expected uint8 RGB of shape \(H, W, 3\)"):
        opened(run).predict(image)


def test_paths_and_backbones_that_do_not_fit_are_refused(run, tmp_path):
    with pytest.raises(OptionError, match="is not there; give the folder"):
        opened(tmp_path / "nowhere")
    with pytest.raises(OptionError, match="holds neither best"):
        opened(tmp_path)
    with pytest.raises(DataError, match="ResNet-50"):
        opened(run, backbone="resnet50")


def test_other_bands_are_mapped_and_pixels_without_data_are_255():
    bands = Bands(("nir", "red"), (2, 1), ((0, 255),) * 2, (0.4, 0.2), (0.2, 0.1), (0,), nodata=0)
    network = Trained(replace(RECORD, bands=bands, tile_size=(32, 32)), "cpu")
    assert network.network.backbone.conv1.in_channels == 2
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    image[..., 2] = 255
    image[3:9, 5:30, 2] = 0
    ids = network.predict(image)
    assert (ids[3:9, 5:30] == 255).all()
    assert (ids == 255).sum() == 6 * 25
    other = image.copy()
    other[3:9, 5:30, :2] = 99  # what stands where there are no data changes nothing
    np.testing.assert_array_equal(network.predict(other), ids)
    with pytest.raises(OptionError, match=r"expected uint8 RGB of shape \(H, W, 3\)|expected uint8 of shape"):
        network.predict(image[..., :2])


@pytest.mark.parametrize("images", [[[0, 1]], Image.new("RGB", (32, 32)), torch.zeros(32, 32, 3, dtype=torch.uint8)])
def test_what_is_no_array_is_refused_in_words(run, images):
    with pytest.raises(OptionError, match=f"images are of type {type(images).__name__}, expected a NumPy array"):
        opened(run).predict(images)
    with pytest.raises(OptionError, match="expected a NumPy array"):
        opened(run).probabilities(images)


def test_another_precision_is_refused_with_the_nearest(run):
    with pytest.raises(OptionError, match="unknown precision 'float16'; did you mean fp16"):
        Trained.open(run, device=CPU, precision="float16")


# --- large images -----------------------------------------------------------------------------------------------------

WINDOWS = WindowSettings((32, 32), overlap=0.25)


class Holed(ArrayImage):
    """Its upper left window shows nothing."""

    def read(self, top, left, height, width):
        return None if (top, left) == (0, 0) else super().read(top, left, height, width)


def test_strips_are_the_probabilities_of_rows_of_windows(run):
    trained, image = opened(run), picture(7, (70, 50))
    expected = torch.from_numpy(trained.probabilities(image, WINDOWS))
    plan = trained.plan((70, 50), WINDOWS)
    strips = list(trained.strips(ArrayImage(image), WINDOWS))
    assert [top for top, _ in strips] == [row.first for row in plan.rows]
    assert torch.equal(torch.cat([strip for _, strip in strips], dim=1), expected)
    for number, row in enumerate(plan.rows):
        ((top, strip),) = trained.strips(ArrayImage(image), WINDOWS, rows=[number])
        assert top == row.first
        assert torch.equal(strip, expected[:, row.first : row.last])
    likeliest = [strip for _, strip in trained.strips(ArrayImage(image), WINDOWS, keep=lambda maps: maps.argmax(dim=0))]
    assert torch.equal(torch.cat(likeliest), expected.argmax(dim=0))


def test_probabilities_are_0_where_an_image_shows_nothing(run):
    trained, image = opened(run), picture(7, (70, 50))
    plan = trained.plan((70, 50), WINDOWS)
    whole = torch.cat([strip for _, strip in trained.strips(Holed(image), WINDOWS)], dim=1)
    expected = trained.probabilities(image, WINDOWS)
    expected[:, : plan.rows[0].last, : plan.columns[0].last] = 0
    np.testing.assert_allclose(whole.numpy(), expected, atol=1e-6)  # batches of other sizes round differently


@pytest.mark.parametrize("size", [(20, 30), (32, 32), (50, 40)])
def test_images_of_one_size_are_classified_one_after_the_other(run, size):
    trained, images = opened(run), np.stack([picture(seed, size) for seed in range(5)])
    maps = list(trained.classified(images, WINDOWS))
    assert {(tuple(one.shape), one.dtype) for one in maps} == {((3, *size), torch.float32)}
    np.testing.assert_array_equal(torch.stack(maps).numpy(), trained.probabilities(images, WINDOWS))
    assert trained.at_once(size, WINDOWS) == (4 if max(size) <= 32 else 1)


def test_images_smaller_than_a_training_crop_are_padded_as_in_evaluation(run, tmp_path):
    record = json.loads((run / "options.json").read_text()) | {"options": {"input_size": [48, 40]}}
    (tmp_path / "options.json").write_text(json.dumps(record))
    (tmp_path / "checkpoint90.pth").write_bytes((run / "checkpoint90.pth").read_bytes())
    trained, image = opened(tmp_path), picture(3, (20, 27))
    padded = torch.zeros(1, 3, 48, 40)
    padded[:, :, :20, :27] = normalised(image)
    with torch.inference_mode():
        expected = trained.network(padded)[0, :, :20, :27]
    np.testing.assert_array_equal(trained.predict(image), expected.argmax(dim=0))
    np.testing.assert_allclose(trained.probabilities(image), expected.softmax(dim=0), atol=1e-6)
    assert not np.allclose(trained.probabilities(image), opened(run / "checkpoint90.pth").probabilities(image))
