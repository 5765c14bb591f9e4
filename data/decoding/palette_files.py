"""Palette files in a data set of ids: an index is an id, and where files order their colours differently, a colour is.

The first palette file of the set, by name, says which colour has which index. A file that agrees with it is read by
index; in one that does not, a colour of the first file has its index there. A colour that the first file lacks keeps
its own index, if no other file gives the two another partner; else the files contradict one another.
"""

import glob
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from data.checking.mask_values import as_number
from data.decoding.images import open_image
from utils.errors import DataError
from utils.imagery.colours import format_colour
from utils.imagery.labels import IGNORE_INDEX


class PaletteFiles:
    """The colours that palette files of one data set have shown so far, and the indices they stand for.

    Args:
        meanings: class id, or 255, of each index that is declared.
        files: the mask files of the set, in the order of their names; looked at until the first palette file.
        colours_of: the palette of a file by index, as 0xRRGGBB; None where it has none.
    """

    def __init__(
        self,
        meanings: Mapping[int, int],
        files: Callable[[], Iterable[Path]],
        colours_of: Callable[[Path], list[int] | None] | None = None,
    ) -> None:
        self.meanings, self.files = meanings, files
        self.colours_of = colours_of or _colours_in_image
        self._first: tuple[Path, list[int]] | None = None  # the first palette file and its colours by index
        self._index_of: dict[int, int] = {}  # by colour of the first file
        self._added: dict[tuple[str, int], tuple[int, Path]] = {}  # what the first file lacks: index <-> colour
        self._added_by: dict[Path, dict[int, int]] = {}

    def first_colours(self) -> list[int]:
        """Colours of the first palette file by index, as 0xRRGGBB; none where there is no such file."""
        if self._first is None:
            for path in self.files():
                if (colours := self.colours_of(path)) is not None:
                    self._index_of = self._unambiguous(colours)
                    self._first = path, colours
                    break
            else:
                self._first = Path(), []
        return self._first[1]

    def _unambiguous(self, colours: list[int]) -> dict[int, int]:
        """Index of each colour: its first one, as palettes are filled up with one colour; none of two classes'."""
        of_class = Counter(
            c for index, c in enumerate(colours) if self.meanings.get(index, IGNORE_INDEX) != IGNORE_INDEX
        )
        index_of: dict[int, int] = {}
        for index, colour in enumerate(colours):
            if of_class[colour] < 2:
                index_of.setdefault(colour, index)
        return index_of

    def in_first_order(self, path: Path, indices: np.ndarray, colours: list[int]) -> tuple[np.ndarray, bool]:
        """Bring the indices of a file to the order of the first one.

        Args:
            path: the file.
            indices: uint8, shape (H, W).
            colours: its palette by index, as 0xRRGGBB.

        Returns:
            Indices of the same shape, and whether any has changed.

        Raises:
            DataError: the palette contradicts another file's.
        """
        used = np.flatnonzero(np.bincount(indices.reshape(-1), minlength=256))
        table = np.arange(256, dtype=np.uint8)
        for index in used.tolist():
            if index < len(colours):
                table[index] = self._index(path, index, colours[index])
        moved = bool((table[used] != used).any())
        return (table[indices] if moved else indices), moved

    def _index(self, path: Path, index: int, colour: int) -> int:
        first = self.first_colours()
        if index < len(first) and first[index] == colour:
            return index
        if colour in self._index_of:
            return self._index_of[colour]
        if self.meanings.get(index, IGNORE_INDEX) == IGNORE_INDEX:
            return index
        if index < len(first):
            assert self._first is not None
            raise _contradiction(index, colour, path, first[index], self._first[0])
        self.add(path, index, colour)
        return index

    def added_by(self, path: Path) -> dict[int, int]:
        """Colours by index that a file used which the first one lacks."""
        return self._added_by.get(path, {})

    def add(self, path: Path, index: int, colour: int) -> None:
        """Take note of a colour in a file that the first one lacks.

        Raises:
            DataError: another file gave the index, or the colour, another partner.
        """
        seen, earlier = self._added.setdefault(("index", index), (colour, path))
        if seen != colour:
            raise _contradiction(index, colour, path, seen, earlier)
        seen, earlier = self._added.setdefault(("colour", colour), (index, path))
        if seen != index:
            raise DataError(
                f"{path} and {earlier} give {_written(colour)} the ids {index} and {seen}; their palettes differ, so "
                f"say {_ADVICE}"
            )
        self._added_by.setdefault(path, {})[index] = colour


_ADVICE = "which colour is which class: --palette (prepare_data.py scenes) or `palette` in dataset.json"


def _contradiction(index: int, colour: int, path: Path, other_colour: int, other: Path) -> DataError:
    return DataError(
        f"id {index} is {_written(colour)} in {path}, but {_written(other_colour)} in {other}; their palettes differ, "
        f"so say {_ADVICE}"
    )


def _written(colour: int) -> str:
    return format_colour((colour >> 16, colour >> 8 & 255, colour & 255))


def _colours_in_image(path: Path) -> list[int] | None:
    with open_image(path, for_mask=True) as image:
        return palette_of(image.getpalette()) if image.mode == "P" else None


def palette_of(flat: list[int] | None) -> list[int]:
    """Colours as 0xRRGGBB of a palette as Pillow gives it: red, green, blue of each index in turn."""
    return [as_number(flat[place : place + 3]) for place in range(0, len(flat or ()) - 2, 3)] if flat else []


def named_files(folder: Path, template: str) -> Iterator[tuple[str, Path]]:
    """Names and paths of all files that a path template with `{name}` can mean, in the order of their paths."""
    before, _, after = template.partition("{name}")
    start = (folder / before).as_posix() + ("/" if before.endswith("/") or not before else "")
    top = Path(start) if start.endswith("/") else Path(start).parent
    for path in sorted(top.rglob("*" + glob.escape(Path("x" + after).name[1:]))):
        text = path.as_posix()
        if text.startswith(start) and text.endswith(after):
            yield text.removeprefix(start).removesuffix(after), path
