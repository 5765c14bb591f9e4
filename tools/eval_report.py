"""The report of tools/auto_evaluate.py: one HTML page that holds its pictures, tables, options, sizes and times."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from utils.drawing.html import bar, cards, details, page, paragraph, picture, section, swatch, table
from utils.runs.files import write_text

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
    chosen, test = summary["chosen"], summary["test_list"]
    shown = test or summary["data_list"]
    on = "the test list" if test else "the list that the checkpoint was chosen on"
    parts = [
        paragraph(
            f"{summary['dataset']} · {summary['backbone']} · step {chosen['step']}, the best of {chosen['of']} "
            f"checkpoints on {chosen['on']}",
            soft=True,
        ),
        _numbers(shown),
        paragraph(_reading(summary)),
        section("Which checkpoint", picture(pictures.get("miou.png"), _curve_caption(summary))),
        section(
            "Which classes",
            _classes(summary["classes"], colours),
            picture(pictures.get("classes.png"), f"IoU of each class and its share of the pixels, on {on}."),
            picture(
                pictures.get("confusion.png"),
                f"What each true class (row) is taken for, in percent of its pixels, on {on}.",
            ),
        ),
        section(
            "Where it is right and wrong",
            picture(
                pictures.get("tiles.png"),
                f"Tiles with the best, the median and the worst mean IoU of {on}; wrong pixels are red, pixels "
                "without a label black.",
            ),
        ),
        section("Scores of every checkpoint", _checkpoints(summary)),
        section("Left out", _skipped(summary["skipped"])),
        section("Sizes, times and options", _sizes(summary), details("Options", _options(summary["options"]))),
    ]
    write_text(path, page(f"Evaluation of {summary['options']['checkpoint_dir']}", *parts))


def _fraction(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _range(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.4f} – {high:.4f}"


def _numbers(shown: Mapping[str, Any]) -> str:
    scores, interval = shown["scores"], shown["interval"]
    ends = _range(interval["low"], interval["high"])
    remark = (
        "too few for an interval"
        if ends == "–"
        else f"95 %: {ends}" + (", optimistic" if interval["optimistic"] else "")
    )
    crf = shown["scores_crf"]
    return cards(
        [
            ("Mean IoU", _fraction(scores["Mean IoU"]), remark),
            ("Pixel accuracy", _fraction(scores["Pixel Accuracy"]), f"{shown['pixels']:,} pixels"),
            ("Mean accuracy", _fraction(scores["Mean Accuracy"]), "of the classes present"),
            ("Frequency-weighted IoU", _fraction(scores["Frequency Weighted IoU"]), f"{shown['tiles']:,} tiles"),
            *([("Mean IoU with CRF", _fraction(crf["Mean IoU"]), "the same checkpoint")] if crf else []),
        ]
    )


def _reading(summary: Mapping[str, Any]) -> str:
    """What the numbers may be taken for."""
    data, test = summary["data_list"], summary["test_list"]
    if test:
        return (
            f"The checkpoint was chosen on {data['path']} (mean IoU {_fraction(data['scores']['Mean IoU'])} there, an "
            f"optimistic number) and scored once on {test['path']}: {test['interval']['text']}."
        )
    text = f"Chosen on this list: {data['path']} also picked the checkpoint, so these scores are optimistic"
    if data["interval"]["low"] is not None:
        text += f", and so is the {data['interval']['text']}"
    else:
        text += f"; {data['interval']['text']}"
    return text + ". Give --test-list for a score that no choice was made on."


def _curve_caption(summary: Mapping[str, Any]) -> str:
    data = summary["data_list"]
    band = "" if data["interval"]["low"] is None else "; the band is the 95 % bootstrap interval of each checkpoint"
    return f"Mean IoU on {data['path']} ({data['tiles']:,} tiles) against the training step{band}."


def _classes(classes: Sequence[Mapping[str, Any]], colours: Sequence[tuple[int, int, int]]) -> str:
    rows = [
        [
            swatch(colours[entry["id"]]) + escape(entry["name"]),
            _fraction(entry["iou"]),
            "" if entry["iou"] is None else bar(entry["iou"]),
            f"{entry['pixels']:,}",
            f"{entry['share']:.1%}",
        ]
        for entry in classes
    ]
    return table(["class", "IoU", "", "pixels", "share"], rows)


def _checkpoints(summary: Mapping[str, Any]) -> str:
    rows, marked = [], None
    with_crf = summary["crf"] is not None
    for number, row in enumerate(summary["checkpoints"]):
        if row["step"] == summary["chosen"]["step"]:
            marked = number
        fractions = [row[name] for name in ("pixel_accuracy", "mean_accuracy", "frequency_weighted_iou")]
        cells = [str(row["step"]), _fraction(row["mean_iou"]), _range(row["low"], row["high"])]
        cells += [*map(_fraction, fractions), *([_fraction(row["mean_iou_crf"])] if with_crf else [])]
        rows.append([*cells, f"{row['seconds']:.1f}"])
    header = ["step", "mean IoU", "95 % interval", "pixel acc.", "mean acc.", "fw. IoU"]
    content = table([*header, *(["with CRF"] if with_crf else []), "seconds"], rows, marked)
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
    padded = "" if window == summary["tile_size"] else f", padded to {_by(window)}"
    rows = [
        ("network", f"{summary['backbone']}, {summary['parameters'] / 1e6:.1f} million parameters"),
        ("checkpoint file", f"{summary['checkpoint_bytes'] / 1e6:.1f} MB"),
        ("tile", f"{_by(summary['tile_size'])} pixels{padded}"),
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
