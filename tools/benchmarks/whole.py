"""Everything that a machine's owner wants to know, measured in one go, as a table for the README."""

import platform
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import torch

from tools.benchmarks.clock import Row, matmul_peak
from tools.benchmarks.parts import measure_checkpoint, measure_evaluation, measure_learner, measure_windows
from tools.benchmarks.training import NUM_CLASSES, StepCost, build, step_cost, synthetic_batch
from utils.device import uses_tf32
from utils.machine import usable_cores

Result = TypeVar("Result")


@dataclass(frozen=True)
class Sizes:
    """What is measured.

    Attributes:
        backbone: of the generator.
        model_name: network of the learner.
        batch_size: labelled, and again unlabelled, tiles of a step; tiles of an evaluation's batch.
        input_size: height and width of tiles, crops and windows.
        steps: measured steps.
        side: of the image that a map is made of.
    """

    backbone: str
    model_name: str
    batch_size: int
    input_size: tuple[int, int]
    steps: int
    side: int


def kinds_of_steps(device: torch.device, precision: str, quick: bool) -> list[tuple[str, bool]]:
    """Precisions of training steps, each as it is and compiled; when quick, compiled at `precision` alone.

    On a CPU fp32 and `precision`: a format that it does not multiply in hardware takes ten times as long.
    """
    precisions = ("fp32", "bf16", "fp16") if device.type == "cuda" else tuple(dict.fromkeys(("fp32", precision)))
    return [*((p, False) for p in precisions), *((p, True) for p in ((precision,) if quick else precisions))]


def measure_whole(
    sizes: Sizes,
    device: torch.device,
    precision: str,
    kinds: list[tuple[str, bool]],
    folder: Path,
    say: Callable[[str], None],
) -> str:
    """Measure everything; returns Markdown.

    What a machine cannot do, for want of memory or of a compiler, is said in its line of the table.

    Args:
        sizes: of networks, tiles and batches.
        device: made ready.
        precision: of all but the training step.
        kinds: precision of training steps, and whether the networks are compiled.
        folder: whose disk checkpoints are written to.
        say: told each line of the table when it is there.
    """
    lines = [
        *_heading(sizes, device),
        "",
        *_head(
            "training step",
            "compiled",
            "time",
            "tiles a second",
            "arithmetic, share of a large matrix product's",
            "peak memory",
        ),
    ]
    flop = 0
    for kind, compiled in kinds:
        cost = _attempt(lambda kind=kind, compiled=compiled: _training(sizes, device, kind, compiled))  # type: ignore[misc]
        flop = max(flop, cost.flop) if isinstance(cost, StepCost) else flop  # of compiled networks it cannot be counted
        name = f"{kind} (TF32)" if kind == "fp32" and uses_tf32(device) else kind
        lines.append(_line(name, "yes" if compiled else "no", *_training_cells(cost, flop, sizes, device, kind)))
        say(lines[-1])
    lines += ["", *_head(f"in {precision}", "measured")]
    size, steps = sizes.input_size, sizes.steps
    parts: list[Callable[[], list[Row]]] = [
        lambda: measure_learner(sizes.model_name, size, steps, device, precision),
        lambda: measure_evaluation(sizes.backbone, sizes.batch_size, size, device, precision),
        lambda: measure_windows(sizes.backbone, size, sizes.side, 8, device, precision),
        lambda: measure_checkpoint(sizes.backbone, folder, device),
    ]
    for title, part in zip(("learner", "evaluation", "maps in windows", "checkpoint"), parts, strict=True):
        rows = _attempt(part)
        some = (
            [_line(title, rows)]
            if isinstance(rows, str)
            else [_line(r.what, f"{_short(r.value)} {r.unit}") for r in rows]
        )
        lines += some
        say("\n".join(some))
    return "\n".join(lines) + "\n"


def machine_name(device: torch.device) -> str:
    """The device, its driver, and the versions that its speed depends on."""
    versions = [f"torch {torch.__version__}", f"Python {platform.python_version()}", platform.system()]
    cores = f"{usable_cores()} CPU cores ({platform.machine()})"
    if device.type != "cuda":
        return ", ".join([f"{cores}, {torch.get_num_threads()} threads", *versions])
    name = torch.cuda.get_device_name(device)
    cudnn = torch.backends.cudnn.version()
    return ", ".join([name, f"driver {_driver(device)}", f"CUDA {torch.version.cuda}, cuDNN {cudnn}", cores, *versions])


def _driver(device: torch.device) -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(query, capture_output=True, text=True, timeout=60, check=True).stdout.split()
        return answer[0] if answer else "unknown"
    return "unknown"


def _heading(sizes: Sizes, device: torch.device) -> list[str]:
    height, width = sizes.input_size
    return [
        f"{machine_name(device)}, {date.today()}.",
        "",
        f"Measured by `tools/benchmark.py --all`: {sizes.backbone} with {NUM_CLASSES} classes, {sizes.batch_size} "
        f"labelled and {sizes.batch_size} unlabelled tiles of {height}×{width} a step, median of {sizes.steps} steps; "
        f"learner {sizes.model_name}; maps of an image of {sizes.side}×{sizes.side}. Tiles are noise in memory: the "
        "time of decoding is not in it.",
    ]


def _training(sizes: Sizes, device: torch.device, precision: str, compiled: bool) -> StepCost:
    batch = synthetic_batch(sizes.batch_size, sizes.input_size)
    batches: Iterator[object] = repeat((batch, batch))
    return step_cost(build(NUM_CLASSES, sizes.backbone, device, precision, compiled), batches, device, sizes.steps)


def _training_cells(cost: StepCost | str, flop: int, sizes: Sizes, device: torch.device, precision: str) -> list[str]:
    if isinstance(cost, str):
        return [cost, "", "", ""]
    rate = flop / cost.seconds
    return [
        f"{_short(1000 * cost.seconds)} ms",
        _short(2 * sizes.batch_size / cost.seconds),
        f"{_short(rate / 1e12)} TFLOP/s, {rate / matmul_peak(device, precision):.0%}" if flop else "",
        f"{_short(cost.peak_bytes / 1e9)} GB",
    ]


def _attempt(work: Callable[[], Result]) -> Result | str:
    """The result, or in a few words why there is none."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        reason = "out of memory" if isinstance(error, MemoryError | torch.OutOfMemoryError) else str(error).strip()
        return f"not measured: {next(iter(reason.splitlines()), type(error).__name__)[:80].replace('|', '/')}"
    finally:
        torch.compiler.reset()
        torch.cuda.empty_cache()  # does nothing where CUDA is not in use


def _head(*titles: str) -> list[str]:
    return [_line(*titles), _line(*("---" for _ in titles))]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _short(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
