"""What a check of a data set says about one point, and the words that findings share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["ok", "warn", "FAIL", "-"]
SHOWN = 3  # names or reasons that a finding gives in full


@dataclass(frozen=True)
class Finding:
    """What the doctor says about one point.

    Attributes:
        point: the point, in a word or two.
        level: `ok`; `warn`: worth a look; `FAIL`: a run would end with an error or wrong scores; `-`: not looked at.
        text: one line.
        details: further lines.
        values: the figures behind the text, for machines.
    """

    point: str
    level: Level
    text: str
    details: Sequence[str] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def some(items: Iterable[object]) -> list[str]:
    """The first few items as text, and how many more there are."""
    texts = [str(item) for item in items]
    return texts[:SHOWN] + ([f"… and {len(texts) - SHOWN} more"] if len(texts) > SHOWN else [])


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def listed(names: Sequence[str]) -> str:
    """The first few names in one line, and how many more there are."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def by(size: tuple[int, int]) -> str:
    """Height and width as text: 256×256."""
    return f"{size[0]}×{size[1]}"
