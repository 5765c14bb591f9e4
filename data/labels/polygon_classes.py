"""What the values of a field of polygons mean: class names or codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.checking.mask_values import meanings
from data.descriptions import Description
from utils.errors import DataError, OptionError
from utils.imagery.labels import IGNORE_INDEX
from utils.suggest import first_names, unknown


@dataclass(frozen=True)
class PolygonClasses:
    """The classes that polygons may have.

    Attributes:
        description: their names; their codes, or ids where they have colours.
        order: names of classes, the later above the earlier where polygons overlap; those not named lie below them.
            Polygons of one rank, as all are without an order, lie as in their file: later ones above.
        background: the class of what no polygon covers; None: it has none.
    """

    description: Description
    order: Sequence[str] = ()
    background: str | None = None

    def __post_init__(self) -> None:
        known = self.description.classes
        for option, names in (("--label-order", self.order), ("--background", [self.background or known[0]])):
            for name in names:
                if name not in known:
                    raise OptionError(f"{option}: {unknown('class', name, known)}")
            if len(set(names)) < len(names):
                raise OptionError(f"{option} names a class twice; each has one place in the order")

    @property
    def background_id(self) -> int:
        """The id of what no polygon covers; 255 where that is no class."""
        return IGNORE_INDEX if self.background is None else self._id(self.background)

    @property
    def ranks(self) -> np.ndarray:
        """How high each class id lies, int (256,)."""
        ranks = np.zeros(256, int)
        for rank, name in enumerate(self.order, 1):
            ranks[self.description.classes.index(name)] = rank
        return ranks

    def value_of(self, index: int) -> int:
        """The value that stands for a class id in `MaskValues`: its first code, or its colour as 0xRRGGBB."""
        return next(value for value, meaning in self._by_index if meaning == index)

    @property
    def _by_index(self) -> list[tuple[int, int]]:
        return [(value, meaning) for value, meaning in meanings(self.description).items() if meaning != IGNORE_INDEX]

    def _id(self, name: str) -> int:
        index = self.description.classes.index(name)
        return IGNORE_INDEX if index in self.description.ignore_ids else index

    def ids_of(self, where: str, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Class ids of a field's values.

        Args:
            where: file and field, for messages.
            values: text or numbers, shape (N,).
            numbers: the features' own numbers, for messages, shape (N,).

        Returns:
            uint8, shape (N,); 255 for values that mean "no class".

        Raises:
            DataError: NULL, or a value that no class has.
        """
        if values.dtype.kind not in "biufO":
            raise DataError(f"{where}: holds {values.dtype}, expected class names or whole numbers")
        plain = [_plain(value) for value in values.tolist()]
        if missing := [str(number) for number, value in zip(numbers, plain, strict=True) if value in (None, "")]:
            raise DataError(
                f"{where}: {len(missing)} of {len(plain)} polygons have no value (number {first_names(missing)}); give "
                "them a class, or delete them"
            )
        known = self._meanings()
        if strange := [value for value in dict.fromkeys(plain) if value not in known]:
            count = sum(value in strange for value in plain)
            raise DataError(f"{where}: {self._stranger(strange)} ({count} of {len(plain)} polygons)")
        return np.array([known[value] for value in plain], np.uint8)

    def _meanings(self) -> dict[str | int | None, int]:
        """Class id of each code, of its digits as text, and of each name; a name that is made of digits goes first."""
        description = self.description
        if description.palette is None:
            codes = meanings(description) | {IGNORE_INDEX: meanings(description).get(IGNORE_INDEX, IGNORE_INDEX)}
        else:
            codes = {index: self._id(name) for index, name in enumerate(description.classes)}
        found: dict[str | int | None, int] = {}
        for code, index in codes.items():
            found[code] = found[str(code)] = index
        return found | {name: self._id(name) for name in description.classes}

    def _stranger(self, strange: Sequence[str | int | None]) -> str:
        text = [str(value) for value in strange]
        others = f" and {len(text) - 1} more ({first_names(text[1:])})" if len(text) > 1 else ""
        if isinstance(strange[0], int):
            codes = sorted(code for code in self._meanings() if isinstance(code, int) and code != IGNORE_INDEX)
            return f"code {text[0]}{others} has no class; known are {first_names(map(str, codes), 12)}"
        return f"{unknown('class', text[0], self.description.classes)}{others}"


def _plain(value: object) -> str | int | None:
    """Text without blanks around it, or a whole number; None for NULL, text for anything else."""
    if value is None or value != value:  # NaN is what NULL becomes among numbers
        return None
    if isinstance(value, bool | int | float) and float(value).is_integer():
        return int(value)
    return str(value).strip()
