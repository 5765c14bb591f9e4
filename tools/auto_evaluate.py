"""Evaluate a range of checkpoints and say which is best.

    python tools/auto_evaluate.py --start-eval 100 --end-eval 20000 --step-eval 100 --dataset ucm \\
        --data-dir datasets/ucm --data-list datasets/ucm/val.txt --test-list datasets/ucm/test.txt --num-classes 18 \\
        --checkpoint-dir checkpoint --input-size 320,320
    torchrun --nproc_per_node=4 tools/auto_evaluate.py ...

The checkpoint is chosen on --data-list; --test-list is scored once, with the chosen one. Writes scores.csv (a line a
checkpoint), best_scores_<step>.json, summary.json, pictures and report.html, which holds all of it, to --save-dir.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.options import evaluate as evaluate_options
from tools.cli.running import parse_first, run
from tools.settings.maps import EvaluationSettings


def parse_args(argv: list[str] | None = None) -> EvaluationSettings:
    """The command's options."""
    return evaluate_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from data.descriptions import Description
from data.lists.evaluation_tiles import EvaluationTiles
from data.lists.splits import read_names
from model.networks.names import BACKBONES
from model.run_files import read_run, require_classes
from model.trained import Trained
from tools.cli.options.crf import options_table
from tools.said.mask_remarks import say_mask_remarks
from tools.said.next_command import prediction
from tools.said.seen_tiles import remarks_on_scored
from utils.compute import distributed
from utils.compute.device import choose_device, loader_workers
from utils.console import say
from utils.digests import digest_of
from utils.errors import DataError
from utils.evaluation.calibration.record import FILE as CALIBRATION
from utils.evaluation.calibration.record import calibrate, write_calibration
from utils.evaluation.checkpoints import Checkpoints, wait_for_run
from utils.evaluation.crf.mean_field import refine_batch
from utils.evaluation.notes import on_drafted_masks, on_ignored_label, on_labelled_tiles, on_overlapping_tiles
from utils.evaluation.report.comparison import Confidence
from utils.evaluation.report.pictures import typical_tile
from utils.evaluation.report.results import RESULTS, Results
from utils.evaluation.report.scene import SceneCanvas, chosen_scene
from utils.evaluation.tile_lists import CheckpointScores, ListScorer
from utils.evaluation.views import BrokenMapsError
from utils.evaluation.windows import MOST_AT_ONCE, PIXELS_AT_ONCE, Windows, largest_window
from utils.runs.folder import RunFolder
from utils.runs.interrupt import StopRequest
from utils.runs.output import OutputFolder
from utils.runs.record import RunRecord
from utils.settings import SettingsError

SKIPPED = 4  # exit code: finished, but some checkpoints or the test list were left out
PUBLISHED_SIZE = (320, 320)  # that smaller tiles are padded to, where the run does not say


def evaluate(settings: EvaluationSettings) -> int:
    """Evaluate every checkpoint of the range; returns the exit code."""
    device = choose_device(settings.machine)
    distributed.start(device.type)
    folder = OutputFolder(settings.save_dir, RESULTS)
    with folder.claim(overwrite=settings.overwrite):  # the run's folder is only read: a training may hold it
        return evaluate_into(folder, settings, device)


def evaluate_into(folder: OutputFolder, settings: EvaluationSettings, device: torch.device) -> int:
    """Evaluate into a folder that is this process's own; returns the exit code."""
    started = time.perf_counter()
    description = settings.data.description()
    settings.data.check_num_classes(description.num_classes, "pixel classes")
    run_folder = RunFolder(settings.range.checkpoint_dir)
    stop = StopRequest(settings.range.max_hours, partial(unsaved, settings.save_dir / "scores.csv"))
    if settings.range.follow and settings.range.backbone is None:
        with stop:
            wait_for_run(run_folder, stop)
    record = record_of_run(run_folder, settings.range.backbone, description)
    settings = replace(settings, input_size=settings.input_size or record.crop or PUBLISHED_SIZE)
    network = Trained(record, device, settings.machine.precision)
    plan = (record.num_steps, record.save_pred_every)
    checkpoints = Checkpoints(settings.range, network.read, network.load, stop, *plan)
    settings = replace(settings, range=replace(checkpoints.settings, backbone=record.backbone))

    ignored = record.ignore_label if settings.ignore_label is None else settings.ignore_label
    scored = description.ignoring(ignored)
    labelled = read_names(run_folder.labelled_names, description) if run_folder.labelled_names.is_file() else None
    paths = [path for path in (settings.data.data_list, settings.test_list) if path is not None]
    lists = [open_list(settings, path, scored, device) for path in paths]
    say_mask_remarks(*(each.tiles for each in lists))
    notes = notes_on(lists, labelled or (), ignored, record)
    scorers = [scorer_of(settings, network, each, labelled) for each in lists]
    data_list, test_list = scorers[0], scorers[1] if len(scorers) > 1 else None
    conditions = conditions_of(settings, network, lists[0]) | {"ignore_label": ignored}
    results = Results(folder, data_list, options_table(settings), conditions, notes, settings.range.follow)

    test = None
    with stop:
        for step in checkpoints:
            try:
                scores = data_list.evaluate(step)
            except BrokenMapsError as error:
                checkpoints.leave_out(step, f"{run_folder.network(step)}: {error}")
                continue
            results.begin()  # not before: without an evaluation, earlier results stay
            if results.add(scores):
                checkpoints.keep_present()
        if results.best is None:
            why = f": {checkpoints.why_none}" if checkpoints.why_none else ""
            raise DataError(f"no checkpoint of {run_folder.path} could be evaluated{why}")
        best = results.best.step
        reason = checkpoints.reason_to_end()
        if test_list is not None and reason:
            results.notes.append(f"{reason} before the test list was scored")
            say(results.notes[-1], file=sys.stderr)
        elif test_list is not None:
            checkpoints.return_to(best)
            test = test_list.evaluate(best)
        confidence = None
        if not reason and not settings.no_calibration:
            checkpoints.return_to(best)
            confidence = confidence_of(results, test, test_list)
        keep_digest(results, run_folder.network(best), confidence)
        seconds = time.perf_counter() - started
        results.finish(test, test_list, checkpoints.skipped, seconds, checkpoints.return_to, confidence)
    say_next(settings, run_folder, record, best, lists[-1])
    distributed.stop()
    is_incomplete = checkpoints.say_left_out() or (test_list is not None and test is None)
    return stop.exit_code or (SKIPPED if is_incomplete else 0)


def record_of_run(folder: RunFolder, backbone: str | None, description: Description) -> RunRecord:
    """What the run's options.json says, or else the options and the data set, which has to fit it.

    Raises:
        OptionError: there is no such folder, nobody says what network it is, or it was trained on other classes.
        DataError: options.json cannot be used.
    """
    if not folder.path.is_dir():
        raise SettingsError("{checkpoint_dir} {} is not a folder; give the folder of a training run", folder.path)
    record = read_run(folder.options, backbone)
    if record is None and backbone is None:
        raise SettingsError(
            "{} is not there, so the backbone is not known; give {backbone} {} (classes and tile size are taken from "
            "the data set)",
            folder.options,
            " or ".join(BACKBONES),
        )
    record = record or RunRecord(backbone or "", description.classes, description.colours)
    require_classes(record, description.classes, folder.options)
    return record


def windows_of(settings: EvaluationSettings, device: torch.device) -> Windows:
    """How tiles are read."""
    assert settings.input_size is not None  # it is settled
    at_once = (settings.batch_size, PIXELS_AT_ONCE[device.type], MOST_AT_ONCE[device.type])
    return Windows(settings.input_size, settings.input_size, Windows.overlap, *at_once)


def open_list(
    settings: EvaluationSettings, path: Path, description: Description, device: torch.device
) -> EvaluationTiles:
    """The tiles of a list, opened once for all checkpoints."""
    assert settings.input_size is not None  # it is settled
    return EvaluationTiles.open(
        settings.data,
        path,
        description,
        settings.input_size,
        windows_of(settings, device).tiles_at_once,
        loader_workers(settings.machine.num_workers, device),
        pin_memory=device.type == "cuda",
        as_filed=settings.eval_size == "file",
    )


def scorer_of(
    settings: EvaluationSettings, network: Trained, tiles: EvaluationTiles, labelled: Sequence[str] | None
) -> ListScorer:
    """What scores the network on a list, whatever checkpoint it holds."""
    crf = settings.crf
    return ListScorer(
        network.network,
        tiles,
        network.device,
        network.precision,
        settings.views,
        (lambda maps, images: refine_batch(maps, network.shown(images), crf)) if crf else None,
        settings.resamples,
        settings.machine.random_seed,
        labelled,
        network.pixels,
        windows_of(settings, network.device),
    )


def confidence_of(results: Results, test: CheckpointScores | None, test_list: ListScorer | None) -> Confidence:
    """Measure the confidence of the chosen checkpoint, and picture a scene; all processes have to."""
    assert results.best is not None  # it is chosen
    shown, on = (test, test_list) if test and test_list else (results.best, results.chosen_on)
    canvas = SceneCanvas(on.tiles, chosen_scene(on.tiles, typical_tile(shown.plain.tiles)))
    calibration = calibrate(results.chosen_on, test_list if test else None, canvas.keep)
    canvas.gather(on.device)
    return Confidence(calibration, canvas)


def keep_digest(results: Results, checkpoint: Path, confidence: Confidence | None) -> None:
    """Say in the results which file they are of, and beside that file which temperature it needs."""
    if not distributed.is_main():
        return
    try:
        digest = digest_of(checkpoint)
    except OSError:  # a training has removed it since
        return
    results.conditions["checkpoint_sha256"] = digest
    if confidence is None:
        return
    if remark := write_calibration(checkpoint, digest, confidence.calibration):
        results.notes.append(remark)
        say(f"warning: {remark}", file=sys.stderr)
    else:
        results.conditions["calibration_file"] = str(checkpoint.with_name(CALIBRATION))


def notes_on(lists: Sequence[EvaluationTiles], labelled: Sequence[str], ignored: int, record: RunRecord) -> list[str]:
    """Say what has to be known beside the scores, and give it to the report: masks learned from or drafted by a
    model, tiles that the first weights had seen, labels left out, tiles that overlap."""
    remarks = [on_ignored_label(lists[0].classes, ignored, record.ignore_label)]
    remarks += [on_labelled_tiles(each.names, labelled, each.path) for each in lists]
    remarks += [remark for each in lists for remark in remarks_on_scored(record.weights, each.tiles, each.path)]
    remarks += [on_overlapping_tiles(each.overlapping, each.names, each.path) for each in lists]
    remarks += [on_drafted_masks(each.names, each.drafted, each.path) for each in lists]
    for remark in filter(None, remarks):
        say(remark)
    return [*filter(None, remarks)]


def conditions_of(settings: EvaluationSettings, network: Trained, tiles: EvaluationTiles) -> dict[str, Any]:
    """What the results say of the network, the data and the machine."""
    return {
        "dataset": tiles.description.name,
        "backbone": network.record.backbone,
        "parameters": sum(parameter.numel() for parameter in network.network.parameters()),
        "checkpoint_bytes": sum(4 * tensor.numel() for tensor in network.network.state_dict().values()),
        "tile_size": list(tiles.tile_size),
        "metres_per_pixel": tiles.metres_per_pixel or network.record.bands.metres_per_pixel,
        "window": list(windows_of(settings, network.device).plan(tiles.tile_size).window),
        "batch_size": tiles.batch_size,
        "precision": network.precision,
        "device": str(network.device),
        "processes": distributed.world_size(),
        "torch": str(torch.__version__),
    }


def say_next(
    settings: EvaluationSettings, folder: RunFolder, record: RunRecord, step: int, tiles: EvaluationTiles
) -> None:
    """Say how to make maps with the chosen checkpoint, unless a training has removed it since."""
    checkpoint, data = folder.network(step), settings.data
    if checkpoint.is_file():
        backbone = None if folder.options.is_file() else record.backbone
        window = settings.input_size
        if window == largest_window(record.crop, record.tile_size):
            window = None  # `predict.py` takes the same
        say(str(prediction(data.dataset, data.data_dir, tiles.path, checkpoint, backbone, window)))


def unsaved(scores: Path) -> str:
    """What an end in the middle of a checkpoint loses."""
    kept = f"; {scores} holds those evaluated before" if scores.is_file() else ""
    return f"the scores of the checkpoint under way are lost{kept}"


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    return run(evaluate, parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
