"""Choose which tiles to draw masks for: active learning over a scene classifier (Algorithm 1 of ALS4GAN).

    python tools/train_AL.py --dataset-name UCM --query-strategy margin --random-scale --random-mirror \\
        --data-dir datasets/ucm --data-list datasets/ucm/train.txt --labeled-ratio 0.05 --alpha 0.1 --beta 0.5
    torchrun --nproc_per_node=4 tools/train_AL.py ...

Writes the chosen names to <save-dir>/<dataset>/<strategy>_names_<ratio>_<alpha>_<beta>.npy (with --budget 20, n20 in
place of the ratio) and their winning probabilities beside it; rounds, pictures and the state for --resume to a folder
there, and until the run has ended the two arrays too, called ….partial.npy. Where tiles have no scene label it asks
people: it writes to_label.csv, and to_label.html to fill it in with, and ends with exit code 3. The next command is
printed at the end.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # repository root: data, model, utils

from tools.cli.options import select as select_options
from tools.cli.running import parse_first, run
from tools.settings.learning import SelectionSettings


def parse_args(argv: list[str] | None = None) -> SelectionSettings:
    """The settings that the command's options describe."""
    return select_options.parse_args(__doc__, argv)


if __name__ == "__main__":
    parse_first(parse_args)  # --help and refused options end here: the imports below take seconds

import torch

from data.batches.classification_batches import ClassificationBatches
from data.footprints.of_set import read_records, write_chosen
from data.lists.already_labelled import find_already
from data.lists.oracle import known_labels, with_scene_classes
from data.lists.scene_list import SceneList, open_scene_list, open_validation_list
from data.lists.splits import read_names
from data.reader import TileReader
from data.settings import SampleSettings
from model.learning.active_learner import ActiveLearner
from model.learning.fixed_features import FixedFeatures
from model.learning.learner import Learner
from model.networks.classifier import FEATURES, build_classifier
from model.weights.pretrained import origin_of_file
from tools.said.command_lines import typed_again
from tools.said.seen_tiles import say_seen
from tools.said.selection import announce, ask, report
from utils.compute import distributed
from utils.compute.device import choose_device, loader_workers
from utils.compute.precision import resolve_precision
from utils.console import say
from utils.errors import DataError
from utils.imagery.labels import UNKNOWN_SCENE
from utils.runs.interrupt import Stopped
from utils.runs.origin import Origin
from utils.runs.seeds import seed_everything
from utils.selection.budget import Budget, count_of
from utils.selection.folder import LEARNS_NOTHING, WEIGHTS_DIGEST, SelectionFolder
from utils.selection.rounds import Selection
from utils.selection.strategies import STRATEGIES
from utils.settings import as_plain
from utils.wording import worded

TERMINATED = 143  # exit code
# What may differ between a run and its resumption: where it runs, who answers, what becomes of unreadable tiles.
FREE_ON_RESUME = {
    "cache_dir", "cache_limit", "cuda", "device", "gpu", "no_cache", "num_workers", "oracle", "overwrite", "resume",
    "save_dir", "skip_bad_images",
}  # fmt: skip


def select(settings: SelectionSettings, again: str = "select(...) with FolderSettings(resume=True)") -> int:
    """Run the rounds and write what was chosen.

    Args:
        settings: the job.
        again: what goes on with it, to be printed where people are asked; such as the command that was typed.

    Returns:
        The exit code: 0, 3 where people are asked, 4 where tiles were left out, or that of a signal.
    """
    device = choose_device(settings.machine)
    distributed.start(device.type)
    dataset, seed = settings.data.dataset, settings.machine.random_seed
    folder = SelectionFolder(settings.save_dir, dataset, settings.query, seed, as_plain(settings))
    with folder.claim(settings.folder.resume, settings.folder.overwrite):
        return select_in(folder, settings, device, again)


def select_in(folder: SelectionFolder, settings: SelectionSettings, device: torch.device, again: str) -> int:
    """Run the rounds in a folder that is this process's own; returns the exit code."""
    query, seed = settings.query, settings.machine.random_seed
    is_resumed = settings.folder.resume and distributed.from_main(folder.record.is_file)  # else killed before it began
    if is_resumed:
        folder.check_resumable(FREE_ON_RESUME)

    # data
    before = folder.already_labelled() if is_resumed else None
    listed, validation, already = open_lists(settings, folder.to_label, before)
    tiles, records = listed.scenes, read_records(settings.data.data_dir)

    def mark_chosen() -> None:
        names = [tiles.names[tile] for tile in selection.result]
        distributed.from_main(lambda: write_chosen(folder.footprints, settings.data.data_dir, records, names))

    # model
    seed_everything(seed)
    bands = listed.tiles.description.bands
    learns = settings.needs_scene_labels or bool((tiles.labels != UNKNOWN_SCENE).any())
    learns_nothing = folder.learns_nothing() if is_resumed else not learns
    uses_first_weights = query.features == "pretrained"
    is_used = uses_first_weights or not learns_nothing
    first = settings.learner if is_used else replace(settings.learner, classifier_weights="none")  # fetch nothing
    classifier = build_classifier(first, max(1, len(tiles.classes)), bands)
    origin = origin_of_classifier(settings, folder if is_resumed else None)
    say_seen(origin, settings, listed.tiles, validation.tiles if validation else None)
    precision = resolve_precision(settings.machine.precision, device)
    rates = (settings.learner.learning_rate, settings.learner.momentum)
    learner = Learner(classifier, device, precision, *rates, bands.pixels, STRATEGIES[query.query_strategy].dropout)
    fixed = FixedFeatures(classifier, device, precision, bands.pixels) if uses_first_weights else None
    torch.manual_seed(seed + distributed.rank())  # each process drops out for itself
    target = count_of(query.labeled_ratio, query.budget, len(tiles))
    assert target is not None  # one of the two is given
    budget = Budget.of_count(target, query.alpha, query.beta)
    if learns_nothing:
        budget = replace(budget, initial=0)  # tiles that are neither learned from nor drawn would only be kept back
    places = dict(zip(tiles.names, range(len(tiles)), strict=True))
    masked = frozenset(places[name] for name in already)
    taught = [places[name] for name, scene in already.items() if scene is not None]
    skipped, include = set(listed.unreadable), query.include_initial_pool
    selection = Selection(len(tiles), budget, query.query_strategy, seed, include, [], skipped, masked, taught)
    if already and not selection.pool.size:
        raise DataError(
            worded(
                "every tile of {data_list} {} has a mask already: there is nothing to choose", settings.data.data_list
            )
        )

    # run
    samples = replace(settings.samples, input_size=classifier.fitting_size(settings.samples.input_size))
    batches, skip = batches_of(listed, settings, samples, device), settings.labels.skip_bad_images
    validated = (validation.scenes, batches_of(validation, settings, samples, device)) if validation else None
    how = (query, settings.learner, validated, skip, fixed, settings.needs_scene_labels)
    active = ActiveLearner(tiles, batches, selection, learner, folder, *how)
    try:
        if is_resumed:
            active.resume()
        else:
            tables: dict[str, Any] = {"already_labelled_tiles": already} if already else {}
            tables |= {WEIGHTS_DIGEST: origin.sha256} if origin else {}
            tables |= {LEARNS_NOTHING: True} if learns_nothing else {}
            active.begin({"resolved_precision": precision, "torch": str(torch.__version__), **tables})
        network, features = f"{classifier.model_name}, {precision} on {device}", fixed.width if fixed else FEATURES
        announce(selection, network, features, not settings.learner.has_weights)
        if not settings.needs_scene_labels:
            say(f"{query.query_strategy} needs no scene labels: people are not asked")
        with active.stop:
            while not (active.is_over or active.waits_for_labels):
                active.fit()
                active.validate()
                if not active.is_over:
                    active.ask(*active.score())
                    mark_chosen()
            if active.is_over:
                active.finish()
                mark_chosen()
            else:
                active.save()
    except Stopped:
        reason = active.stop.reason or "another process was asked to end"
        say(f"{reason}: state saved in {active.title}; the same command with --resume goes on")
        return active.stop.exit_code or TERMINATED
    finally:
        active.close()

    # where things are
    code = report(active, settings, listed.tiles) if active.is_over else ask(active, settings, listed.tiles, again)
    distributed.stop()
    return code


def open_lists(
    settings: SelectionSettings, to_label: Path, before: dict[str, str | None] | None
) -> tuple[SceneList, SceneList | None, dict[str, str | None]]:
    """The tiles to choose from and those to validate on, with the scene classes that are known.

    Args:
        settings: the job.
        to_label: the CSV that people fill in, if it is there.
        before: tiles of a resumed run that had masks already, with their scene classes; None: it is looked for.

    Returns:
        Both lists, and the tiles that have masks already, which are not asked for.
    """
    data, oracle, skip = settings.data, settings.labels.oracle, settings.labels.skip_bad_images
    are_needed = settings.needs_scene_labels
    description = with_scene_classes(data.description(), settings.labels.scene_classes, are_needed)
    data.check_num_classes(len(description.scene_classes or ()), "scene classes")
    names = read_names(data.data_list, description)
    val_names = read_names(settings.val_list, description) if settings.val_list else []
    labels = known_labels(oracle, description, data.data_dir, names, to_label, val_names, are_needed)
    reader = TileReader(description, data.data_dir, (0, 0))
    source, share = settings.labels.already_labelled, settings.labels.dominant_share
    already = find_already(source, reader, names, data.data_list, labels, share) if before is None else before
    already = {name: already[name] for name in names if name in already}  # another list is refused later
    labels = labels | {name: scene for name, scene in already.items() if scene is not None}
    listed = open_scene_list(description, data.data_dir, names, labels, data.cache(), skip)
    if not val_names:
        return listed, None, already
    validation = open_validation_list(description, data.data_dir, val_names, labels, names, data.cache(), skip)
    return listed, validation, already


def batches_of(
    listed: SceneList, settings: SelectionSettings, samples: SampleSettings, device: torch.device
) -> ClassificationBatches:
    """Batches of the tiles of a list, as the settings have them."""
    learner, machine = settings.learner, settings.machine
    return ClassificationBatches(
        listed.tiles,
        listed.scenes.labels,
        samples,
        learner.num_epochs,
        learner.score_batch_size,
        seed=machine.random_seed,
        workers=loader_workers(machine.num_workers, device),
        pin_memory=device.type == "cuda",
    )


def origin_of_classifier(settings: SelectionSettings, resumed: SelectionFolder | None) -> Origin | None:
    """The file that the classifier starts from, which has to be the same when a run is resumed; None without one."""
    file = settings.learner.weights_file
    if file is None:
        return None
    origin = distributed.from_main(lambda: origin_of_file(file))
    if resumed is not None:
        resumed.check_weights(origin.sha256)
    return origin


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    typed = [word for word in (sys.argv[1:] if argv is None else argv) if word not in ("--resume", "--overwrite")]
    return run(lambda settings: select(settings, typed_again("train_AL.py", [*typed, "--resume"])), parse_args, argv)


if __name__ == "__main__":
    raise SystemExit(main())
