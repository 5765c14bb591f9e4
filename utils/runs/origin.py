"""Where weights come from, and which tiles they have learned from: so that a run can say that it is tested on these.

Tiles are known by digests: of their names, and of their pixels, which find them under another name too.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.digests import CHARACTERS, NO_PIXELS, name_digest
from utils.errors import DataError

HOW = {  # tiles were learned from, the strongest first, and what is said of a score on them
    "masks": "labelled in the training of these weights",
    "scenes": "pre-trained on with their scene labels",
    "self": "pre-trained on without labels",
}


@dataclass(frozen=True)
class SeenTiles:
    """Tiles that weights have learned from.

    Attributes:
        how: `masks`, `scenes` (their scene labels) or `self` (no label).
        names: digest of each name.
        pixels: digest of each image, in the same order; empty where they are not known.
    """

    how: str
    names: tuple[str, ...]
    pixels: tuple[str, ...] = ()

    @classmethod
    def of(cls, how: str, names: Sequence[str], pixels: Sequence[str] = ()) -> "SeenTiles":
        """Of tiles by their names, and the digests of their images."""
        return cls(how, tuple(map(name_digest, names)), tuple(pixels))

    def among(self, names: Sequence[str], pixels: Sequence[str]) -> set[int]:
        """Positions of those tiles of a list that are among these, by their name or by their image.

        Args:
            names: of the list.
            pixels: digest of each of its images.
        """
        known_names, known_images = set(self.names), set(self.pixels) - {NO_PIXELS}
        by_name = {position for position, name in enumerate(names) if name_digest(name) in known_names}
        return by_name | {position for position, digest in enumerate(pixels) if digest in known_images}

    @property
    def digest(self) -> str:
        """Of all of these digests, in their order."""
        return hashlib.sha256("".join((*self.names, *self.pixels)).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Plain values, one line each: digests are strung together."""
        return {"how": self.how, "tiles": len(self.names), "names": "".join(self.names), "pixels": "".join(self.pixels)}

    @classmethod
    def from_json(cls, raw: Any) -> "SeenTiles":
        """What `as_json` gave.

        Raises:
            DataError: it is something else.
        """
        if not isinstance(raw, Mapping) or raw.get("how") not in HOW:
            raise DataError(f"tiles that weights have learned from are {str(raw)[:60]}, expected a table")
        names, pixels = _parts(raw.get("names")), _parts(raw.get("pixels"))
        if pixels and len(pixels) != len(names):
            raise DataError(f"{len(names)} names of tiles that the weights have learned from, but {len(pixels)} images")
        return cls(raw["how"], names, pixels)


@dataclass(frozen=True)
class Origin:
    """The weights that a run started from.

    Attributes:
        file: name of their file.
        sha256: of its content.
        seen: tiles that they have learned from, as far as they are of this program's making.
    """

    file: str
    sha256: str
    seen: tuple[SeenTiles, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The key `weights` of `options.json`."""
        return {"file": self.file, "sha256": self.sha256, "seen": [tiles.as_json() for tiles in self.seen]}

    @classmethod
    def from_json(cls, raw: Any) -> "Origin":
        """What `as_json` gave.

        Raises:
            DataError: it is something else.
        """
        is_table = isinstance(raw, Mapping) and all(isinstance(raw.get(key), str) for key in ("file", "sha256"))
        if not is_table or not isinstance(raw.get("seen"), list):
            raise DataError(f"`weights` is {str(raw)[:60]}, expected a file, its digest and the tiles it has seen")
        return cls(raw["file"], raw["sha256"], tuple(map(SeenTiles.from_json, raw["seen"])))

    def counts(self, names: Sequence[str], pixels: Sequence[str], hows: Collection[str] = tuple(HOW)) -> dict[str, int]:
        """How many tiles of a list the weights have learned from, by the strongest way; ways without any are left out.

        Args:
            names, pixels: of the list, as of `SeenTiles.among`.
            hows: the ways that count.
        """
        found: dict[str, int] = {}
        counted: set[int] = set()
        for how in (how for how in HOW if how in hows):
            tiles = set().union(*(seen.among(names, pixels) for seen in self.seen if seen.how == how)) - counted
            counted |= tiles
            if tiles:
                found[how] = len(tiles)
        return found


def _parts(text: Any) -> tuple[str, ...]:
    """Digests that were strung together.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(text, str) or not re.fullmatch(rf"([0-9a-f]{{{CHARACTERS}}})*", text):
        raise DataError(f"digests of tiles are {str(text)[:60]}, expected {CHARACTERS} hexadecimal digits each")
    return tuple(text[start : start + CHARACTERS] for start in range(0, len(text), CHARACTERS))
