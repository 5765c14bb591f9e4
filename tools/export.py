"""Write a trained network as an ONNX file, for QGIS Deepness and anybody who runs onnxruntime.

    python tools/export.py --checkpoint-dir checkpoint --out model.onnx
    python tools/export.py --checkpoint-dir checkpoint --out model.onnx --tile-size 512 --check-image scene.tif

The file takes square tiles of one size, and gives the probabilities of the classes. Ranges of values of more than 8
bits and a nodata value are inside; its metadata tell Deepness the rest. It is run in onnxruntime at once, and is not
written where that does not compute what torch does. Needs the libraries of requirements-export.txt (make setup-export).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.options import export as export_options
from tools.cli.running import parse_first, run
from tools.settings.maps import ExportSettings


def parse_args(argv: list[str] | None = None) -> ExportSettings:
    """The command's options."""
    return export_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

from collections.abc import Iterator

import numpy as np

from data.rasters.scene import RasterScene
from model.exporting.checking import compare, random_values, valid_by_value
from model.exporting.graph import to_onnx
from model.exporting.libraries import require_libraries
from model.exporting.metadata import model_metadata
from model.run_files import checkpoint_of
from model.trained import Trained
from utils.errors import DataError, warn
from utils.evaluation.calibration.record import temperature_of
from utils.evaluation.windows import largest_window
from utils.imagery.bands import Bands
from utils.runs.files import write_atomically
from utils.runs.record import RunRecord
from utils.settings import SettingsError
from utils.wording import worded

DIFFERENT_SCALE = 0.1  # share by which --metres-per-pixel may differ from the run's before it is worth a warning


def export_network(settings: ExportSettings) -> int:
    """Export a network; returns the exit code."""
    require_libraries()
    check_paths(settings)
    trained = open_network(settings)
    record, side = trained.record, tile_size(settings, trained.record)
    check_resolution(settings, record)
    assert trained.checkpoint is not None
    temperature = temperature_of(trained.checkpoint)
    metadata = model_metadata(record, side, settings.tiles_overlap, settings.metres_per_pixel, temperature)
    samples = list(tiles_to_check(settings, record.bands, side))
    print(f"exporting {record.backbone} of {len(record.classes)} classes for tiles of {side}×{side} pixels", flush=True)
    model = to_onnx(trained, metadata, settings.batch == "dynamic", temperature)
    for what, values in samples:
        agreement = compare(model, trained, values, temperature)
        print(f"onnxruntime and torch on {what}: {agreement}")
        agreement.check()
    write_atomically(settings.out, lambda file: file.write(model))
    print(f"{settings.out}: {len(model) / 1e6:.1f} MB, bands {', '.join(record.bands.names)}")
    return 0


def check_paths(settings: ExportSettings) -> None:
    """Refuse a name at which something lies, and an image that is not there, before the work begins.

    Raises:
        SettingsError: the name is a folder's, or of a file that is not to be replaced; or there is no such image.
    """
    if settings.out.is_dir():
        raise SettingsError("{out} {} is a folder; give the name of a file in it", settings.out)
    if settings.out.exists() and not settings.overwrite:
        raise SettingsError("{out} {} is there already; give {overwrite} to replace it, or another name", settings.out)
    if settings.check_image is not None and not settings.check_image.is_file():
        raise SettingsError("{check_image} {} is no file; give a scene", settings.check_image)


def open_network(settings: ExportSettings) -> Trained:
    """The network that the settings ask for, in float32 on the CPU.

    Raises:
        OptionError: there is no checkpoint, or nobody says what network it is.
        DataError: the run or its checkpoint cannot be used.
    """
    checkpoint = checkpoint_of(settings.checkpoint, settings.checkpoint_dir)
    if not (checkpoint.parent / "options.json").is_file():
        raise SettingsError(
            "no options.json beside {}, which says what network it is; copy it from the run's folder", checkpoint
        )
    return Trained.open(checkpoint, settings.backbone, "cpu", "fp32")


def tile_size(settings: ExportSettings, record: RunRecord) -> int:
    """Height and width of the network's input.

    Raises:
        SettingsError: neither the settings nor the run give one for both.
    """
    if settings.tile_size is not None:
        return settings.tile_size
    size = largest_window(record.crop, record.tile_size)
    if size is None:
        raise SettingsError("the run does not say how large its training crops or tiles were; give {tile_size}")
    if size[0] != size[1]:
        raise SettingsError("the run learned from {}×{} pixels, and an ONNX input is square; give {tile_size}", *size)
    return size[0]


def check_resolution(settings: ExportSettings, record: RunRecord) -> None:
    """Warn where nobody says how large a pixel is on the ground, or two say different things."""
    asked, known = settings.metres_per_pixel, record.bands.metres_per_pixel
    if asked is None and known is None:
        warn(
            worded(
                "the run does not say how large a pixel is on the ground, so the file does not either: set the "
                "resolution in Deepness by hand, or give {metres_per_pixel}"
            )
        )
    elif asked and known and abs(asked / known - 1) > DIFFERENT_SCALE:
        message = "the network was trained on pixels of {} m, and {metres_per_pixel} {} is what the file will say"
        warn(worded(message, f"{known:g}", f"{asked:g}"))


def tiles_to_check(settings: ExportSettings, bands: Bands, side: int) -> Iterator[tuple[str, np.ndarray]]:
    """In words what they are, and values as files hold them, (N, bands, S, S)."""
    yield "random values", random_values(bands, side)
    if settings.check_image is not None:
        yield str(settings.check_image), middle_of(settings.check_image, bands, side)[None]


def middle_of(path: Path, bands: Bands, side: int) -> np.ndarray:
    """The middle tile of a scene, shape (bands, S, S).

    Raises:
        DataError: the scene cannot be read, is smaller than a tile, or has other bands.
    """
    with RasterScene.open(path, expand_palette=True) as scene:
        height, width = scene.size
        if min(height, width) < side:
            raise DataError(f"{path} has {height}×{width} pixels, less than a tile of {side}; give a larger scene")
        there = {band.index for band in scene.bands}
        if missing := sorted(set(bands.indices) - there):
            raise DataError(f"{path} has {len(there)} bands, the network needs band {missing[0]}; give another scene")
        values, valid = scene.read((height - side) // 2, (width - side) // 2, side, side, bands.indices)
    if masked := float((valid_by_value(values, bands.nodata) & ~valid).mean()):
        warn(
            f"{masked:.1%} of the middle of {path} is no data by a mask, or a nodata value that the run does not know: "
            "an ONNX file cannot see that, and takes the values that lie there"
        )
    return values


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(export_network, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
