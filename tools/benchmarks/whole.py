"""Everything that a machine's owner wants to know, measured in one go, as a table for the README."""

from collections.abc import Callable
from datetime import date
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import torch

from model.methods import METHODS
from tools.benchmarks.methods import measure_method
from tools.benchmarks.parts import measure_checkpoint, measure_evaluation, measure_learner, measure_windows
from tools.benchmarks.settings import Sizes
from tools.benchmarks.training import NUM_CLASSES, StepCost, build, step_cost, synthetic_batch
from utils.compute.device import uses_tf32
from utils.compute.measuring import Row, machine_name, matmul_peak

Result = TypeVar("Result")


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
    titles = ("time", "tiles a second", "arithmetic, share of a large matrix product's", "peak memory")
    lines = [*_heading(sizes, device), "", *_head("training step", "compiled", *titles)]
    flop = 0
    for kind, compiled in kinds:
        cost = _attempt(lambda kind=kind, compiled=compiled: _training(sizes, device, kind, compiled))  # type: ignore[misc]
        flop = max(flop, cost.flop) if isinstance(cost, StepCost) else flop  # of compiled networks it cannot be counted
        name = f"{kind} (TF32)" if kind == "fp32" and uses_tf32(device) else kind
        lines.append(_line(name, "yes" if compiled else "no", *_training_cells(cost, flop, sizes, device, kind)))
        say(lines[-1])
    lines += ["", *_head(f"in {precision}", "measured")]
    parts: dict[str, Callable[[], list[Row]]] = {
        **{name: partial(measure_method, name, sizes, device, precision) for name in METHODS},
        "learner": lambda: measure_learner(sizes, device, precision),
        "evaluation": lambda: measure_evaluation(sizes, device, precision),
        "maps in windows": lambda: measure_windows(sizes, device, precision),
        "checkpoint": lambda: measure_checkpoint(sizes, device, folder),
    }
    for title, part in parts.items():
        rows = _attempt(part)
        cells = [(title, rows)] if isinstance(rows, str) else [(r.what, f"{_short(r.value)} {r.unit}") for r in rows]
        lines += (some := [_line(*pair) for pair in cells])
        say("\n".join(some))
    return "\n".join(lines) + "\n"


def _heading(sizes: Sizes, device: torch.device) -> list[str]:
    height, width = sizes.input_size
    return [
        f"{machine_name(device)}, {date.today()}.",
        "",
        f"Measured by `tools/benchmark.py --all`: {sizes.backbone} with {NUM_CLASSES} classes, {sizes.batch_size} "
        f"labelled and {sizes.batch_size} unlabelled tiles of {height}×{width} a step, median of {sizes.steps} steps; "
        f"learner {sizes.model_name}; maps of an image of {sizes.map_side}×{sizes.map_side}. Tiles are noise in "
        "memory: the time of decoding is not in it.",
    ]


def _training(sizes: Sizes, device: torch.device, precision: str, compiled: bool) -> StepCost:
    batch = synthetic_batch(sizes)
    s4gan = build(NUM_CLASSES, sizes.backbone, device, precision, compiled)
    return step_cost(s4gan, repeat((batch, batch)), device, sizes.steps)


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
