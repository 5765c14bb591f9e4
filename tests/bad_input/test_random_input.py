"""Random lists, descriptions, labels, images, arrays and checkpoints: each is read, or refused by one error of ours."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.dataset_json import load_description, parse_description
from data.decoding.images import image_file_header, read_image
from data.decoding.masks import read_ids
from data.descriptions import DEEPGLOBE, UCM, Description
from data.lists.scene_labels import read_class_map, read_label_csv
from data.lists.splits import read_names, read_names_array
from model.weights.files import read_state_dict
from tests.conftest import CUSTOM, patches, picture
from tests.files import OLD, array_file, image_file, tensors_file
from tools.cli.options import train as train_options
from utils.errors import DataError, UserError
from utils.runs.files import load_state, read_json

IDS = Description("custom", "{name}.png", "{name}.png", ("field", "forest", "water"), ((0, 0, 0),) * 3)
CLASSES = ("dry", "wet")


def read_or_refused(read: Callable[[], Any], error: type[UserError] = DataError) -> Any:
    """What is read, or None where it is refused with one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except error as refusal:
        message = str(refusal)
    assert 0 < len(message) < 2000
    return None


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("random") / "file"


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content cut short, with bits flipped, or with bytes overwritten, more often near its beginning."""
    kind = draw(st.sampled_from(["cut", "flip", "flip", "overwrite", "insert"]))
    near = draw(st.sampled_from([64, 512, len(content)]))
    at = draw(st.integers(0, max(0, min(near, len(content)) - 1)))
    if kind == "cut":
        return content[:at]
    if kind == "insert":
        return content[:at] + draw(st.binary(min_size=1, max_size=40)) + content[at:]
    changed = bytearray(content)
    if kind == "flip":
        for _ in range(draw(st.integers(1, 4))):
            changed[min(len(changed) - 1, at + draw(st.integers(0, 20)))] ^= 1 << draw(st.integers(0, 7))
    else:
        replacement = draw(st.binary(min_size=1, max_size=16) | st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x7f\xff"]))
        changed[at : at + len(replacement)] = replacement
    return bytes(changed)


# --- Text -------------------------------------------------------------------------------------------------------------

LINES = st.one_of(
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=12),
    st.sampled_from([b"tile0", b"../tile0", b"/tile0", b"tile0.png", b"\xef\xbb\xbf", b"", b" ", b"a" * 300]),
)
ENDINGS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\0", b"\x85"])


@settings(max_examples=80)
@given(lines=st.lists(st.tuples(LINES, ENDINGS), max_size=6))
def test_list_of_names(path, lines):
    content = b"".join(line + ending for line, ending in lines)
    names = read_or_refused(lambda: read_names(written(path, content), IDS))
    if names is not None:
        assert names
        assert len(set(names)) == len(names)
        assert not any(name.startswith("/") or ".." in name.split("/") for name in names)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=6,
)
COLOUR_TEXTS = st.sampled_from(["#000000", "#FFFFFF", "#12345", "red", "#GGGGGG", ""])
CHANGES = st.dictionaries(
    st.sampled_from([*CUSTOM, "ignore_colours", "group", "tile_size"]),
    VALUES
    | st.lists(st.sampled_from(["field", "forest", "water", ""]), max_size=4)
    | st.dictionaries(st.sampled_from(CUSTOM["classes"]), COLOUR_TEXTS, max_size=3)
    | st.lists(COLOUR_TEXTS, max_size=2)
    | st.sampled_from(["{name}", "../{name}", "{name}{name}", "/{name}", "a/{name}.tif", "(", "(a)", "x.csv"]),
    max_size=4,
)


@settings(max_examples=80)
@given(changes=CHANGES)
def test_description_of_random_values(path, changes):
    content = json.dumps(CUSTOM | changes).encode()
    folder = path.parent
    description = read_or_refused(lambda: load_description("custom", written(folder / "dataset.json", content).parent))
    if description is not None:
        assert len(description.colours) == description.num_classes >= 2
        group = description.groups_of(["tile0"])["tile0"]
        assert group is None or isinstance(group, str)


@settings(max_examples=60)
@given(data=st.data())
def test_description_of_random_bytes(path, data):
    content = data.draw(st.binary(max_size=60)) if data.draw(st.booleans()) else None
    content = content if content is not None else damaged(data.draw, json.dumps(CUSTOM).encode())
    written(path.parent / "dataset.json", content)
    read_or_refused(lambda: load_description("custom", path.parent))
    read_or_refused(lambda: read_json(path.parent / "dataset.json"))
    read_or_refused(lambda: read_class_map(path.parent / "dataset.json"))


@settings(max_examples=40)
@given(value=VALUES)
def test_description_of_any_value(value):
    read_or_refused(lambda: parse_description(value))


CELLS = st.sampled_from(
    ["name", "label", "tile0", "tile1", "dry", "wet", "moist", "", " ", '"', '"a,b"', "\0", "é", "x\ny"]
)
ROWS = st.lists(st.lists(CELLS, max_size=4).map(",".join), max_size=5)


@settings(max_examples=80)
@given(rows=ROWS, header=st.sampled_from(["name,label\n", "\ufeffname,label\r\n", "label,name,more\n", ""]))
def test_scene_labels(path, rows, header):
    content = (header + "\n".join(rows)).encode()
    labels = read_or_refused(lambda: read_label_csv(written(path, content), CLASSES))
    assert labels is None or set(labels.values()) <= set(CLASSES)


@settings(max_examples=40)
@given(content=st.binary(max_size=80))
def test_scene_labels_of_random_bytes(path, content):
    read_or_refused(lambda: read_label_csv(written(path, b"name,label\n" + content), CLASSES))


# --- Images and masks -------------------------------------------------------------------------------------------------


COLOUR, MASK = picture(0, (24, 32)), patches(0, (24, 32), range(3))
FILES = {
    "PNG": image_file(COLOUR, "PNG"),
    "PNG palette": image_file(COLOUR, "PNG", "P", transparency=3),
    "PNG ids": image_file(MASK, "PNG"),
    "PNG bits": image_file(MASK, "PNG", "1"),
    "JPEG": image_file(COLOUR, "JPEG"),
    "JPEG progressive": image_file(COLOUR, "JPEG", progressive=True),
    "TIFF": image_file(COLOUR, "TIFF"),
    "TIFF ids": image_file(MASK, "TIFF"),
    "TIFF LZW": image_file(COLOUR, "TIFF", compression="tiff_lzw"),
    "TIFF deflate": image_file(COLOUR, "TIFF", compression="tiff_deflate"),
    "TIFF JPEG": image_file(COLOUR, "TIFF", compression="jpeg"),
    "BMP": image_file(COLOUR, "BMP"),
    "GIF": image_file(MASK, "GIF"),
    "WebP": image_file(COLOUR, "WEBP", lossless=True),
}


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("group", ["PNG", "JPEG", "TIFF", ("BMP", "GIF", "WebP")], ids=str)
def test_damaged_image(path, group, data):
    kind = data.draw(st.sampled_from([kind for kind in FILES if kind.startswith(group)]))
    written(path, damaged(data.draw, FILES[kind]))
    image = read_or_refused(lambda: read_image(path))
    header = read_or_refused(lambda: image_file_header(path))
    assert image is None or header is not None
    assert image is None or (image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3)
    for description in (IDS, UCM, DEEPGLOBE):
        mask = read_or_refused(lambda description=description: read_ids(path, description))
        assert mask is None or (mask[0].dtype == np.uint8 and mask[0].ndim == 2 and 0 <= mask[1] <= 0.05)


# --- Arrays and checkpoints -------------------------------------------------------------------------------------------


@settings(max_examples=80)
@given(data=st.data())
def test_damaged_names_array(path, data):
    whole = array_file(np.array([f"tile{n}" for n in range(4)]))
    written(path.with_suffix(".npy"), damaged(data.draw, whole))
    known = [f"tile{n}" for n in range(6)]
    names = read_or_refused(lambda: read_names_array(path.with_suffix(".npy"), IDS, known, path))
    assert names is None or set(names) <= set(known)


@pytest.fixture(scope="module")
def checkpoint_bytes() -> dict[str, bytes]:
    """One state dict in today's format and in the older one, and a state to resume from."""
    weights = {f"backbone.layer{n}.weight": torch.arange(6.0).reshape(2, 3) + n for n in range(4)}
    state = {"step": 3, "generator": weights, "best_score": 0.5, "random": {"torch": torch.get_rng_state()[:64]}}
    return {
        "zip": tensors_file(weights),
        "older": tensors_file(weights, **OLD),
        "state": tensors_file(state),
    }


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("kind", ["zip", "older", "state"])
def test_damaged_checkpoint(path, checkpoint_bytes, kind, data):
    written(path, damaged(data.draw, checkpoint_bytes[kind]))
    weights = read_or_refused(lambda: read_state_dict(path))
    assert weights is None or all(isinstance(tensor, torch.Tensor) for tensor in weights.values())
    state = read_or_refused(lambda: load_state(path))
    assert state is None or isinstance(state, dict)


@settings(max_examples=40)
@given(content=st.binary(max_size=120))
def test_checkpoint_of_random_bytes(path, content):
    for start in (b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04\x95"):
        written(path, start + content)
        read_or_refused(lambda: read_state_dict(path), UserError)
        read_or_refused(lambda: load_state(path))


# --- Options ----------------------------------------------------------------------------------------------------------

VALUE_OPTIONS = ["--labeled-ratio", "--threshold-st", "--input-size", "--num-steps", "--learning-rate", "--max-hours"]
NUMBERS = st.one_of(
    st.floats().map(str), st.integers().map(str), st.text(max_size=8), st.sampled_from(["1e-999999", "٣", "1_0", "0x1"])
)


@settings(max_examples=80)
@given(option=st.sampled_from(VALUE_OPTIONS), value=NUMBERS)
def test_value_of_an_option(option, value):
    given_options = {"--dataset": "ucm", "--data-dir": ".", "--data-list": "list", "--threshold-st": "0.5"}
    texts = [part for pair in (given_options | {option: value}).items() for part in pair]
    args, code = None, 0
    try:
        args = train_options.parse_args(None, texts)
    except SystemExit as stop:
        code = stop.code
    if args is None:
        assert code == 2
    else:
        assert args.method.num_steps >= 1
        assert 0 <= args.method.threshold_st <= 1
        assert all(16 <= pixels <= 16384 for pixels in args.samples.input_size)
        ratio = args.labelled.labeled_ratio
        assert ratio is None or 0 < ratio <= 1
