"""What labelling tools write of true masks: each writer is a plain one of its own, and takes none of the readers."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from PIL import Image
from rasterio.features import shapes
from rasterio.transform import Affine

Masks = Mapping[str, np.ndarray]  # ids by tile, uint8 (H, W), 255 where nobody drew
NAMES = ("field", "forest", "water")
COLOURS = ((10, 200, 30), (200, 20, 30), (20, 30, 220))


def png(pixels: np.ndarray, mode: str | None = None) -> bytes:
    content = io.BytesIO()
    (Image.fromarray(pixels).convert(mode) if mode else Image.fromarray(pixels)).save(content, "PNG")
    return content.getvalue()


def coloured(ids: np.ndarray, colours: Any = COLOURS) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours
    return table[ids]


# --- CVAT -------------------------------------------------------------------------------------------------------------


def label_map(names: Any = NAMES, colours: Any = COLOURS) -> str:
    lines = [("background", (0, 0, 0)), *zip(names, colours, strict=True)]
    return "# label:color_rgb:parts:actions\n" + "".join(f"{n}:{c[0]},{c[1]},{c[2]}::\n" for n, c in lines)


def cvat_files(masks: Masks, names: Any = NAMES) -> dict[str, bytes]:
    """The files of a "Segmentation mask 1.1" export by their names in the zip."""
    files = {"labelmap.txt": label_map(names).encode()}
    files |= {f"SegmentationClass/{name}.png": png(coloured(ids)) for name, ids in masks.items()}
    files |= {f"SegmentationObject/{name}.png": png(coloured(ids)) for name, ids in masks.items()}
    files["ImageSets/Segmentation/default.txt"] = "".join(f"{name}\n" for name in masks).encode()
    return files


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


# --- COCO -------------------------------------------------------------------------------------------------------------


def column_runs(mask: np.ndarray) -> list[int]:
    """Lengths of runs, column by column, of 0 first."""
    runs, value = [0], False
    for pixel in mask.T.reshape(-1).tolist():
        if pixel == value:
            runs[-1] += 1
        else:
            value = not value
            runs.append(1)
    return runs


def packed(runs: list[int]) -> str:
    """Runs as pycocotools packs them."""
    text = ""
    for place, run in enumerate(runs):
        number = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            code = number & 31
            number >>= 5
            more = number != -1 if code & 16 else number != 0
            text += chr((code | 32 if more else code) + 48)
    return text


def coco(masks: Masks, kind: str = "rle", names: Any = NAMES) -> dict[str, Any]:
    """A COCO file; `kind` is `rle`, `packed` or `polygons`."""
    images, annotations = [], []
    for number, (name, ids) in enumerate(masks.items(), 1):
        height, width = ids.shape
        images.append({"id": number, "file_name": f"images/{name}.png", "height": height, "width": width})
        for index in range(len(names)):
            for segmentation in _segmentations(ids == index, kind):
                entry = {"id": len(annotations) + 1, "image_id": number, "category_id": index + 1, "iscrowd": 0}
                annotations.append(entry | {"segmentation": segmentation})
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _segmentations(mask: np.ndarray, kind: str) -> list[Any]:
    if not mask.any():
        return []
    if kind == "polygons":
        return [[[value for point in ring for value in point]] for ring in rings(mask)]
    runs = column_runs(mask)
    return [{"size": list(mask.shape), "counts": packed(runs) if kind == "packed" else runs}]


def rings(mask: np.ndarray) -> list[list[tuple[float, float]]]:
    """Outlines that cover a mask: of the runs in its columns, so that none has a hole."""
    found = []
    for column, pixels in enumerate(mask.T):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], pixels, [0]]))).tolist()
        left, right = float(column), float(column + 1)
        found += [
            [(left, top), (right, top), (right, bottom), (left, bottom)]
            for top, bottom in zip(edges[::2], edges[1::2], strict=True)
        ]
    return found


# --- Label Studio -----------------------------------------------------------------------------------------------------


def brush(mask: np.ndarray) -> list[int]:
    """RGBA values packed without runs, 9 bits of header a packet: as slow as it is plain."""
    values = np.dstack([np.zeros((*mask.shape, 3), np.uint8), mask.astype(np.uint8) * 255]).reshape(-1).tolist()
    bits = [f"{len(values):032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in (3, 4, 8, 16))]
    for start in range(0, len(values), 256):
        part = values[start : start + 256]
        bits += ["0", "10", f"{len(part) - 1:08b}", *(f"{value:08b}" for value in part)]
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[place : place + 8], 2) for place in range(0, len(text), 8)]


def label_studio(
    masks: Masks, kind: str = "brush", names: Any = NAMES, seconds: float | None = 90.0
) -> list[dict[str, Any]]:
    """Label Studio's JSON; `kind` is `brush` or `polygons`."""
    tasks = []
    for number, (name, ids) in enumerate(masks.items(), 1):
        result: list[dict[str, Any]] = []
        height, width = ids.shape
        size = {"original_width": width, "original_height": height, "image_rotation": 0, "to_name": "image"}
        for index, label in enumerate(names):
            mask = ids == index
            if kind == "brush" and mask.any():
                value: dict[str, Any] = {"format": "rle", "rle": brush(mask), "brushlabels": [label]}
                result.append({"id": f"r{index}", "type": "brushlabels", **size, "value": value})
            for ring in rings(mask) if kind == "polygons" else ():
                points = [[x * 100 / width, y * 100 / height] for x, y in ring]
                value = {"points": points, "closed": True, "polygonlabels": [label]}
                result.append({"id": f"p{len(result)}", "type": "polygonlabels", **size, "value": value})
        annotation = {"id": number, "was_cancelled": False, "lead_time": seconds, "result": result}
        data = {"image": f"/data/upload/1/0a1b2c3d-{name}.png"}
        tasks.append({"id": number, "data": data, "annotations": [annotation], "predictions": []})
    return tasks


# --- LabelMe, GIS -----------------------------------------------------------------------------------------------------


def labelme(name: str, ids: np.ndarray, names: Any = NAMES) -> dict[str, Any]:
    found = [
        {"label": label, "points": [list(point) for point in ring], "shape_type": "polygon", "group_id": None}
        for index, label in enumerate(names)
        for ring in rings(ids == index)
    ]
    height, width = ids.shape
    return {
        "version": "5.2.1",
        "flags": {},
        "shapes": found,
        "imagePath": f"..\\images\\{name}.png",
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def areas(masks: Masks, transforms: Mapping[str, Any], names: Any = NAMES) -> tuple[list[Any], list[str]]:
    """Polygons on the map, and the names of their classes."""
    geometries, labels = [], []
    for name, ids in masks.items():
        found = shapes(ids, mask=ids != 255, transform=Affine(*transforms[name]))
        for raw, index in found:
            geometries.append(shapely.geometry.shape(raw))
            labels.append(names[int(index)])
    return geometries, labels


def write_layer(
    path: Path, geometries: list[Any], labels: list[str | None], crs: str | None, field: str = "class", **options: Any
) -> Path:
    written = {"geometry_type": "Polygon", "crs": crs} | options
    pyogrio.raw.write(
        path, shapely.to_wkb(np.array(geometries, object)), [np.array(labels, object)], [field], **written
    )
    return path
