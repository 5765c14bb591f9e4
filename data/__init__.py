"""From files to batches: descriptions of data sets, one reader, transforms, orders and splits.

from data import open_dataset
tiles = open_dataset("ucm", "datasets/demo")     # its train.txt
image, mask = tiles.image(0), tiles.mask(0)      # uint8: (H, W, 3) of RGB, (H, W) of class ids, 255 for no class
"""

from utils.lazy import public_names

__all__, __getattr__, __dir__ = public_names(
    __name__,
    {
        "DataSettings": "settings",
        "Description": "descriptions",
        "LabelledSettings": "settings",
        "SampleSettings": "settings",
        "EvaluationTiles": "lists.evaluation_tiles",
        "SegmentationSample": "batches.samples",
        "SegmentationTiles": "batches.samples",
        "TileReader": "reader",
        "Tiles": "tiles",
        "TrainingStreams": "batches.loaders",
        "evaluation_batches": "batches.loaders",
        "load_description": "dataset_json",
        "open_dataset": "opening",
        "open_tiles": "tiles",
        "read_names": "lists.splits",
        "training_batches": "batches.loaders",
    },
)
