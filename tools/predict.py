"""Make maps: a checkpoint on scenes, images, folders of them, or a list of tiles.

    python tools/predict.py --checkpoint-dir checkpoint --images scenes --save-dir predictions
    python tools/predict.py --checkpoint-dir checkpoint --images town.vrt --confidence --polygons town.gpkg
    python tools/predict.py --checkpoint checkpoint/checkpoint400.pth --dataset ucm --data-dir datasets/ucm \\
        --data-list datasets/ucm/test.txt --save-dir predictions
    torchrun --nproc_per_node=4 tools/predict.py ...

Of a scene with a place, and of any that a picture could not hold, --save-dir gets ids/<name>.tif, a cloud-optimised
GeoTIFF of class ids on the scene's grid, 255 where there are no data, and with --confidence and --probabilities more of
the kind; class_areas.csv tells hectares. Of other images it gets ids/<name>.png, colour/<name>.png and
overlay/<name>.png (the map over its image). class_shares.csv has a line an image, fractions of its pixels. Large images
are read in windows. Pictures have to show the ground as large as the training tiles do: where those were shrunk from
their files (DeepGlobe: 2448 to 320 pixels), give --scale 0.1307. Tiles of a --data-list are brought to tile size as in
training; all maps come back at the size of their files.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.options import predict as predict_options
from tools.cli.running import parse_first, run
from tools.settings.maps import PredictionSettings


def parse_args(argv: list[str] | None = None) -> PredictionSettings:
    """The command's options."""
    return predict_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any

import torch

from data.descriptions import Description
from data.maps.background import WritingMaps
from data.maps.checks import check_outputs
from data.maps.folder import MapFolder
from model.mapping import Mapper
from model.run_files import checkpoint_of, require_classes
from model.trained import Trained
from tools.cli.options.crf import options_table
from utils.compute import distributed
from utils.compute.device import choose_device
from utils.errors import DataError, warn
from utils.evaluation.calibration.record import temperature_of
from utils.progress import Progress
from utils.runs.record import RunRecord
from utils.settings import SettingsError

SKIPPED = 4  # exit code: finished, but some images were left out
WITHOUT_EFFECT = {"overwrite", "save_dir", "cuda", "gpu", "num_workers", "random_seed"}  # no map depends on them


def make_maps(settings: PredictionSettings) -> int:
    """Make a map of every image; returns the exit code."""
    device = choose_device(settings.machine)
    distributed.start(device.type)
    network = open_network(settings, settings.source.description(), device)
    check_apart(settings.source.images or (), settings.save_dir)

    outputs, bands = settings.outputs, network.record.bands
    folder = MapFolder(settings.save_dir, network.classes, network.colours, outputs, bands.as_shown)
    with folder.claim(overwrite=settings.overwrite):
        images = settings.source.find(bands)
        folder.check_images(images)
        check_outputs(outputs, images, network.classes, settings.overwrite)
        mapper = mapper_of(settings, network)
        record = record_of(settings, mapper)
        skipped: list[str] = []
        progress = Progress(len(images), "predicting", "image", leave=True)
        with progress, WritingMaps(folder) as maps, closing(mapper.strips(images)) as strips:
            for image, strip in strips:
                if isinstance(strip, DataError):
                    warn(f"{strip}; skipped")
                    skipped.append(image.name)
                    maps.discard()
                    progress.end_item()
                    continue
                maps.begin_with(images, record)  # not before: without a map, an earlier prediction stays
                maps.write(image, strip)
                progress.update(strip.share)
        if len(skipped) == len(images):
            raise DataError(f"none of the {len(images)} images could be read; check the path and the files")
        if distributed.is_main():
            folder.finish()
            report(folder, network.record.ignore_label, len(images) - len(skipped), skipped)
    distributed.stop()
    return SKIPPED if skipped else 0


def open_network(settings: PredictionSettings, description: Description | None, device: torch.device) -> Trained:
    """The network that the settings ask for, which a data set, where one is named, has to fit.

    Raises:
        OptionError: there is no checkpoint, nobody says what network it is, or the data set is another.
        DataError: the run or its checkpoint cannot be used.
    """
    checkpoint = checkpoint_of(settings.checkpoint, settings.checkpoint_dir)
    options = checkpoint.parent / "options.json"
    record = None if options.is_file() else record_of_options(settings.backbone, description, checkpoint)
    network = Trained.open(checkpoint, settings.backbone, device, settings.machine.precision, record)
    if description is not None:
        require_classes(network.record, description.classes, options)
    return network


def record_of_options(backbone: str | None, description: Description | None, checkpoint: Path) -> RunRecord:
    """What the network is, of which no options.json tells.

    Raises:
        SettingsError: says what has to be given.
    """
    missing = [f"{{{name}}}" for name, value in (("backbone", backbone), ("dataset", description)) if value is None]
    if backbone is None or description is None:
        raise SettingsError(
            "no options.json beside {}, which says what network it is; copy it from the run's folder, or "
            f"give {' and '.join(missing)} (a custom data set with {{data_dir}})",
            checkpoint,
        )
    side = description.tile_size
    return RunRecord(backbone, description.classes, description.colours, (side, side) if side else None)


def check_apart(images: Sequence[Path], save_dir: Path) -> None:
    """Refuse to write maps where the next run would take them for images.

    Raises:
        SettingsError: they would lie there.
    """
    target = Path(os.path.realpath(save_dir))
    for path in images:
        source = Path(os.path.realpath(path))
        if path.is_dir() and (source == target or source in target.parents):
            raise SettingsError("{save_dir} {} lies in {images} {}; choose a folder beside it", save_dir, path)


def mapper_of(settings: PredictionSettings, network: Trained) -> Mapper:
    """How maps are made; says what is known of the network's confidence where that is wanted."""
    outputs, temperature = settings.outputs, 1.0
    if outputs.confidence or outputs.probabilities:
        assert network.checkpoint is not None
        temperature = distributed.from_main(partial(temperature_of, network.checkpoint))
    return Mapper(network, settings.windows, settings.crf, temperature, outputs.confidence, outputs.probabilities)


def record_of(settings: PredictionSettings, mapper: Mapper) -> dict[str, Any]:
    """How the maps were made, for prediction.json."""
    options, network = options_table(settings), mapper.network
    return {
        "options": {name: value for name, value in options.items() if name not in WITHOUT_EFFECT},
        "checkpoint": str(network.checkpoint),
        "backbone": network.record.backbone,
        "classes": list(network.classes),
        "ignore_label": network.record.ignore_label,
        "colours": [list(colour) for colour in network.colours],
        "window": list(network.window(settings.windows)),
        "temperature": mapper.temperature,
        "precision": network.precision,
        "device": str(network.device),
        "torch": str(torch.__version__),
    }


def report(folder: MapFolder, ignored: int, written: int, skipped: Sequence[str]) -> None:
    """Print the classes' shares, what was skipped, and where the maps are.

    Args:
        folder: of the maps.
        ignored: id of a class that the network has not learned; another id where there is none.
        written: images that have a map.
        skipped: names of those that have none.
    """
    for index, (name, share) in enumerate(zip(folder.target.classes, folder.total_shares(), strict=True)):
        remark = f"  (not learned: --ignore-label {index} in training)" if index == ignored else ""
        print(f"{name:<20} {share:>7.1%}{remark}")
    if skipped:
        print(f"skipped {len(skipped)} images: {', '.join(skipped[:10])}", file=sys.stderr)
    if folder.target.outputs.polygons is not None:
        print(f"polygons: {folder.target.outputs.polygons}")
    print(f"maps of {written} images: {folder.path}")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(make_maps, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
