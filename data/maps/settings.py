"""Settings of what is written of a map."""

from dataclasses import dataclass
from pathlib import Path

from utils.fields import as_paths, check_numbers
from utils.settings import require


@dataclass(frozen=True)
class MapOutputs:
    """What is written beside the class ids.

    Attributes:
        ids_only: of images without a place: leave out what is drawn in colour.
        confidence: the probability of the chosen class, in percent.
        probabilities: those of all classes, likewise.
        polygons: a GeoPackage of polygons of all scenes; None: none.
        min_area: square metres that a polygon has at least.
        accuracy: `summary.json` of an evaluation, with which areas are adjusted for the errors of the map; None: none.
    """

    ids_only: bool = False
    confidence: bool = False
    probabilities: bool = False
    polygons: Path | None = None
    min_area: float = 0.0
    accuracy: Path | None = None

    def __post_init__(self) -> None:
        as_paths(self, "polygons", "accuracy")
        check_numbers(self, "min_area")
        named = self.polygons is None or self.polygons.suffix.lower() == ".gpkg"
        require(named, "{polygons} {} is to be a GeoPackage; give it a name that ends in .gpkg", self.polygons)
        require(not self.min_area or self.polygons is not None, "{min_area} is for {polygons}; add it, or leave it out")
