"""The classes of a data set as labelling tools know them: names, colours and keys; and the way back to ids."""

from collections.abc import Iterable, Sequence
from functools import cached_property

from data.descriptions import Description
from utils.errors import DataError
from utils.imagery.colours import RGB, distinct_colours
from utils.imagery.labels import IGNORE_INDEX
from utils.suggest import first_names, unknown
from utils.wording import worded

KEYS = "1234567890qwetasdfgzxcvbyiopjklnm"  # in the order in which Label Studio itself gives them out
_BACKGROUND = "background"  # in CVAT, what nobody drew on
_NO_CLASS = ("background", "_background_", "__ignore__", "ignore", "unlabelled", "unlabeled", "unknown", "no class")
_BLACK = (0, 0, 0)


class ToolClasses:
    """Classes that people draw, in the order of their ids; ids that mean "no class" are not among them.

    Args:
        description: the data set.
        ignored: further names in tools that mean "no class".

    Attributes:
        ids: class ids.
        names: in tools. A class called `background` has another name there, as CVAT says so of what nobody drew on.
        colours: RGB, all different and none black.
    """

    def __init__(self, description: Description, ignored: Sequence[str] = ()) -> None:
        self.description = description
        self.ids = description.used_ids
        self.names = tuple(self._tool_name(description.classes[index]) for index in self.ids)
        self.colours = _different([description.colours[index] for index in self.ids])
        self._ignored = {_key(name) for name in ignored}

    def _tool_name(self, name: str) -> str:
        return f"{name} class" if _key(name) == _BACKGROUND else name

    @property
    def keys(self) -> tuple[str, ...]:
        """A key for each class; empty where there are more classes than keys."""
        return tuple(KEYS[place] if place < len(KEYS) else "" for place in range(len(self.ids)))

    @cached_property
    def colour_table(self) -> dict[int, RGB]:
        """Colour by class id."""
        return dict(zip(self.ids, self.colours, strict=True))

    @cached_property
    def _known(self) -> dict[str, int]:
        """Class id, or 255, by name in lower case; names that differ by case alone are left out."""
        found: dict[str, int] = {}
        both = [*zip(self.names, self.ids, strict=True), *self._own]
        for name, index in both:
            key = _key(name)
            found[key] = index if found.get(key, index) == index else -1
        return {key: index for key, index in found.items() if index >= 0}

    @property
    def _own(self) -> list[tuple[str, int]]:
        """Names of the data set itself."""
        ignored = self.description.ignore_ids
        return [(n, IGNORE_INDEX if i in ignored else i) for i, n in enumerate(self.description.classes)]

    def ids_of(self, where: str, names: Iterable[str]) -> dict[str, int]:
        """Class ids of names that a tool uses, 255 for those that mean "no class".

        Args:
            where: the file, for the message.
            names: as the tool has them.

        Raises:
            DataError: lists those that are no class.
        """
        exact = {**dict(self._own), **dict(zip(self.names, self.ids, strict=True))}
        found, strange = {}, []
        for name in dict.fromkeys(names):
            key = _key(name)
            if key in self._ignored:
                found[name] = IGNORE_INDEX
            elif name in exact:
                found[name] = exact[name]
            elif key in self._known:
                found[name] = self._known[key]
            elif key in _NO_CLASS:
                found[name] = IGNORE_INDEX
            else:
                strange.append(name)
        if strange:
            others = f" and {len(strange) - 1} more ({first_names(strange[1:])})" if len(strange) > 1 else ""
            raise DataError(
                f"{where}: {unknown('class', strange[0], self.names)}{others}; "
                + worded("rename it in the tool, or give it as {ignore_classes} if it means no class")
            )
        return found


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()


def _different(colours: Sequence[RGB]) -> tuple[RGB, ...]:
    """Colours of which none is black and none occurs twice."""
    found: list[RGB] = []
    others = iter([c for c in distinct_colours(3 * len(colours)) if c not in colours])
    for colour in colours:
        is_free = colour not in found and colour != _BLACK
        found.append(colour if is_free else next(c for c in others if c not in found and c != _BLACK))
    return tuple(found)
