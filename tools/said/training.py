"""What training says: what it is about to do, where things are, how to go on."""

from data.tiles import Tiles
from model.methods.method import Method
from model.methods.settings import MethodSettings
from tools.said.next_command import evaluation, prediction
from tools.settings.learning import TrainingSettings
from utils.compute import distributed
from utils.compute.device import machine_in_words
from utils.console import say
from utils.runs.folder import RunFolder
from utils.runs.interrupt import StopRequest


def what_is_trained(settings: TrainingSettings, tiles: Tiles, method: Method) -> str:
    """Tiles, network, machine and schedule in words."""
    unlabelled = len(tiles) - len(tiles.labelled) if method.unlabelled_batches else 0
    machine = machine_in_words(method.device, method.execution.precision)
    return (
        f"{len(tiles.labelled)} labelled and {unlabelled} unlabelled tiles; {settings.network.backbone}, {machine}; "
        f"{settings.method.num_steps} steps, {method.settings.in_words()}"
    )


def on_slow_teacher(settings: MethodSettings) -> str:
    """One line on a teacher that averages over more than a third of a training; empty where there is none."""
    ema, steps = settings.ema, settings.num_steps
    faster = 1 - float(f"{min(1, 4 / steps):.2g}")  # averages over a quarter of the training
    if ema is None or faster <= 0 or (1 - ema) * steps >= 3:
        return ""
    averaged = "all steps alike" if ema == 1 else f"about {1 / (1 - ema):.0f} steps"
    return (
        f"note: the teacher of --ema {ema:g} averages {averaged}, in a training of {steps}: "
        f"it follows the network slowly, with --ema {faster:g} faster"
    )


def report(settings: TrainingSettings, tiles: Tiles, folder: RunFolder, finished: int, stop: StopRequest) -> int:
    """Say where things are and how to go on; returns the exit code, the same in all processes."""
    if finished < settings.method.num_steps:
        reason = stop.reason or "another process was asked to end"
        say(f"{reason}: state saved after step {finished}; the same command with --resume goes on")
        return max(distributed.gather_objects(stop.exit_code))
    say(f"checkpoints, curves and pictures: {folder.path}")
    data, crop = settings.data, settings.samples.input_size
    if steps := folder.steps():
        places = (data.data_dir, data.data_list, tiles.description, folder.path)
        say(str(evaluation(data.dataset, *places, steps, crop, settings.val_list)))
    elif folder.best.is_file():
        say(str(prediction(data.dataset, data.data_dir, data.data_list, folder.best, None, None)))
    return 0
