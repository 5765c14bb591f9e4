"""The report of an evaluation: one HTML page that holds its pictures, tables, options, sizes and times."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from utils.drawing.html import cards, details, number, page, paragraph, picture, section, swatch, table
from utils.evaluation.intervals import FEWEST_UNITS_OF_A_CLASS
from utils.evaluation.metric import CLASS_SCORES
from utils.evaluation.report.trust import area_section, confidence_section
from utils.runs.files import write_text
from utils.runs.space import as_size
from utils.wording import worded

_OPEN_ROWS = 40  # checkpoints up to which the table of scores is not folded


def write_report(
    path: Path, summary: Mapping[str, Any], pictures: Mapping[str, bytes], colours: Sequence[tuple[int, int, int]]
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        summary: the content of `summary.json`.
        pictures: PNG files by name.
        colours: RGB of each class.
    """
    test = summary["test_list"]
    shown = test or summary["data_list"]
    on = _shown_list(summary)
    parts = [
        paragraph(f"{_source(summary)} · {_chosen(summary['chosen'])}", soft=True),
        _numbers(shown),
        paragraph(_reading(summary)),
        *(paragraph(note[:1].upper() + note[1:] + ".") for note in summary["notes"]),
        section(
            "How good is it",
            picture(pictures.get("scene.png"), _scene_caption(summary, on)),
            paragraph(_class_words(shown)),
            _classes(summary["classes"], colours),
            picture(pictures.get("classes.png"), f"IoU of each class and its share of the labelled pixels, on {on}."),
        ),
        confidence_section(summary, pictures, on),
        area_section(summary, pictures, colours, on),
        section(
            "Where it is right and wrong",
            picture(
                pictures.get("tiles.png"),
                f"Tiles with the best, the median and the worst mean IoU of {on}; wrong pixels are red, pixels "
                "without a label black.",
            ),
            picture(
                pictures.get("confusion.png"),
                f"What each true class (row) is taken for, in percent of its pixels, on {on}.",
            ),
        ),
        section(
            "Which checkpoint" if summary["chosen"]["of"] > 1 else "Scores of the checkpoint",
            picture(pictures.get("miou.png"), _curve_caption(summary)),
            _checkpoints(summary),
        ),
        section("Left out", _skipped(summary["skipped"])),
        section("Sizes, times and options", _sizes(summary), details("Options", _options(summary["options"]))),
    ]
    write_text(path, page(f"Evaluation of {summary['options']['checkpoint_dir']}", *parts))


def _shown_list(summary: Mapping[str, Any]) -> str:
    if summary["test_list"]:
        return "the test list"
    return "the list that the checkpoint was chosen on" if summary["chosen"]["of"] > 1 else summary["data_list"]["path"]


def _source(summary: Mapping[str, Any]) -> str:
    """Data set, size of a pixel on the ground, backbone."""
    metres = summary.get("metres_per_pixel")
    pixel = [] if metres is None else [f"{metres:g} m a pixel"]
    return " · ".join([summary["dataset"], *pixel, summary["backbone"]])


def _scene_caption(summary: Mapping[str, Any], on: str) -> str:
    if summary["scene"] is None:
        return ""
    return (
        f"{summary['scene']['text']}, of {on}. Confidence is the probability of the class on the map, from a guess "
        "(dark blue) to certainty (yellow), at the temperature below."
    )


def _chosen(chosen: Mapping[str, Any]) -> str:
    if chosen["of"] == 1:
        return f"step {chosen['step']}, the only checkpoint evaluated"
    return f"step {chosen['step']}, the best of {chosen['of']} checkpoints on {chosen['on']}"


def _numbers(shown: Mapping[str, Any]) -> str:
    scores, interval = shown["scores"], shown["interval"]
    low, high = interval["low"], interval["high"]
    remark = "too few for an interval"
    if low is not None:
        remark = f"95 %: {low:.3f}–{high:.3f}" + (", optimistic" if interval["optimistic"] else "")
    crf = shown["scores_crf"]
    return cards(
        [
            ("Mean IoU", number(scores["Mean IoU"]), remark),
            ("Pixel accuracy", number(scores["Pixel Accuracy"]), f"{shown['pixels']:,} pixels"),
            ("Mean accuracy", number(scores["Mean Accuracy"]), "of the classes present"),
            ("Frequency-weighted IoU", number(scores["Frequency Weighted IoU"]), f"{shown['tiles']:,} tiles"),
            *([("Mean IoU with CRF", number(crf["Mean IoU"]), "the same checkpoint")] if crf else []),
        ]
    )


def _reading(summary: Mapping[str, Any]) -> str:
    """What the numbers may be taken for."""
    data, test = summary["data_list"], summary["test_list"]
    if test:
        return (
            f"The checkpoint was chosen on {data['path']} (mean IoU {number(data['scores']['Mean IoU'])} there, an "
            f"optimistic number) and scored once on {test['path']}: {test['interval']['text']}."
        )
    if summary["chosen"]["of"] == 1:
        return (
            f"One checkpoint was evaluated, on {data['path']}: {data['interval']['text']}. Where it was picked by its "
            "score on this list, or trained on tiles of it, its scores are optimistic."
        )
    text = f"Chosen on this list: {data['path']} also picked the checkpoint, so these scores are optimistic"
    if data["interval"]["low"] is not None:
        text += f", and so is the {data['interval']['text']}"
    else:
        text += f"; {data['interval']['text']}"
    return text + worded(". Give {test_list} for a score that no choice was made on.")


def _curve_caption(summary: Mapping[str, Any]) -> str:
    data = summary["data_list"]
    band = "" if data["interval"]["low"] is None else "; the band is the 95 % bootstrap interval of each checkpoint"
    return f"Mean IoU on {data['path']} ({data['tiles']:,} tiles) against the training step{band}."


def _class_words(shown: Mapping[str, Any]) -> str:
    """What the columns of the table of classes are."""
    interval = shown["interval"]
    words = (
        "Producer's accuracy (recall): the share of a class's true pixels that are mapped as it. User's accuracy "
        "(precision): the share of the pixels mapped as a class that are of it. F1: their harmonic mean. A dash: the "
        "class is not in the truth, or never mapped. "
    )
    if interval["low"] is None:
        return f"{words}Intervals: {interval['text']}."
    optimistic = "; optimistic, as the checkpoint was chosen on this list" if interval["optimistic"] else ""
    return (
        f"{words}In small letters: 95 % bootstrap intervals over {interval['units']:,} {interval['unit']}, of classes "
        f"that at least {FEWEST_UNITS_OF_A_CLASS} of them hold{optimistic}."
    )


def _classes(classes: Sequence[Mapping[str, Any]], colours: Sequence[tuple[int, int, int]]) -> str:
    rows = [
        [
            swatch(colours[entry["id"]]) + escape(entry["name"]),
            *(number(entry[score], *entry["intervals"][score]) for score in CLASS_SCORES),
            f"{entry['pixels']:,}",
            f"{entry['share']:.1%}",
        ]
        for entry in classes
    ]
    return table(["class", "IoU", "producer's accuracy", "user's accuracy", "F1", "pixels", "share"], rows)


def _checkpoints(summary: Mapping[str, Any]) -> str:
    rows, marked = [], None
    with_crf = summary["crf"] is not None
    for place, row in enumerate(summary["checkpoints"]):
        if row["step"] == summary["chosen"]["step"]:
            marked = place
        fractions = [row[name] for name in ("pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")]
        cells = [str(row["step"]), number(row["mean_iou"], row["low"], row["high"])]
        cells += [*map(number, fractions), *([number(row["mean_iou_crf"])] if with_crf else [])]
        rows.append([*cells, f"{row['seconds']:.1f}"])
    header = ["step", "mean IoU", "pixel accuracy", "mean accuracy", "freq.-weighted IoU"]
    content = table([*header, *(["mean IoU with CRF"] if with_crf else []), "seconds"], rows, marked)
    return content if len(rows) <= _OPEN_ROWS else details(f"{len(rows)} checkpoints", content)


def _skipped(skipped: Sequence[Mapping[str, Any]]) -> str:
    if not skipped:
        return ""
    content = table(["step", "reason"], [[str(entry["step"]), escape(entry["reason"])] for entry in skipped], text=[1])
    return content if len(skipped) <= _OPEN_ROWS else details(f"{len(skipped)} checkpoints", content)


def _sizes(summary: Mapping[str, Any]) -> str:
    times = [row["seconds"] for row in summary["checkpoints"]]
    tiles, window = summary["data_list"]["tiles"], summary["window"]
    speed = tiles * len(times) / max(0.01, sum(times))
    metres = summary.get("metres_per_pixel")
    is_read_in_windows = any(side < of_tile for side, of_tile in zip(window, summary["tile_size"], strict=True))
    how = "read in windows of" if is_read_in_windows else "padded to"
    seen = "" if window == summary["tile_size"] else f", {how} {_by(window)}"
    rows = [
        ("network", f"{summary['backbone']}, {summary['parameters'] / 1e6:.1f} million parameters"),
        ("checkpoint file", as_size(summary["checkpoint_bytes"])),
        ("tile", f"{_by(summary['tile_size'])} pixels{seen}"),
        ("a pixel on the ground", "not known" if metres is None else f"{metres:g} m"),
        ("scored at", "the size of each mask file" if summary["options"]["eval_size"] == "file" else "tile size"),
        ("precision", f"{summary['precision']} on {summary['device']}"),
        ("processes", str(summary["processes"])),
        ("a checkpoint", f"{sum(times) / len(times):.1f} s for {tiles:,} tiles ({speed:.3g} a second)"),
        ("everything", f"{summary['seconds']:.1f} s"),
    ]
    return table(["", ""], [[escape(name), escape(value)] for name, value in rows], text=[1])


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}×{size[1]}"


def _options(options: Mapping[str, Any]) -> str:
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    rows = [
        [f"--{name.replace('_', '-')}", "" if value is True else escape(_text(value))] for name, value in given.items()
    ]
    return table(["option", "value"], rows, text=[1])


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
