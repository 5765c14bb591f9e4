"""Raster masks on any grid, read in windows of the image's grid by nearest neighbour."""

from functools import cached_property
from pathlib import Path

import numpy as np
from affine import Affine

from data.checking.mask_values import MaskValues, as_number, meanings, off_palette_share
from data.decoding.masks import MAX_NEAR, DecodedMask, RawMask, check_declared, decode_mask
from data.decoding.orientation import UPRIGHT, in_stored, orientation_of_file, turned_size
from data.decoding.palette_files import PaletteFiles
from data.descriptions import Description
from data.labels.mask_files import MaskFile
from data.rasters.places.crs import Mapping2D, crs_name, crs_way, same_crs
from data.rasters.places.grids import Grid, apply, bounds_of, chained, common_share, extent, positions, windows
from utils.closing import Closing
from utils.errors import DataError
from utils.imagery.labels import IGNORE_INDEX

_WHOLE = 1e-3  # pixels by which two grids may differ and still count as one, or as shifted by whole pixels
_ALL_COVERED = 0.9995  # share of an image from which on its mask covers it


class RasterMask(Closing):
    """A mask of ids, codes, colours or palette indices in a raster file, on the grid of its image.

    Where image and mask both have a place, each pixel of the image takes the value of the mask's pixel that its centre
    lies in; where only one has, or neither, both have the same pixels. Pixels outside the mask, or that it declares to
    hold no data, are transparent. GDAL's files are not made for several threads: one `RasterMask` serves one.

    Args:
        path: the file; any raster that GDAL reads, a colour table in `.aux.xml` included.
        grid: the image's.
        description: what the values mean.
        palettes: how palette files order their colours, made with `colours_of=palette_in_file`; None: each is read by
            index.

    Attributes:
        remarks: lines to be said of this mask: that grids differ, that a class is declared to be nodata.

    Raises:
        DataError: missing, damaged, of another kind, of another size where places cannot be compared, or elsewhere.
    """

    def __init__(self, path: Path, grid: Grid, description: Description, palettes: PaletteFiles | None = None) -> None:
        self.path, self.grid, self.description, self.palettes = path, grid, description, palettes
        self.remarks: list[str] = []
        self._file = MaskFile(path, as_ids=description.palette is None)
        try:
            self._way, self._shift = self._relate()
            self.remarks += self._on_nodata()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def values(self) -> MaskValues:
        """What the mask holds on the image's grid, each pixel counted once; pixels without data are transparent.

        Raises:
            DataError: damaged, or more than 5 % of the pixels with data have a value that no class has.
        """
        return self._surveyed[0]

    def ids(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Class ids of a window of the image, uint8 (height, width), 255 where a pixel has no class.

        Raises:
            DataError: as for `values`, as the whole mask is looked at before.
        """
        return self._decoded(top, left, height, width, self._surveyed[1]).ids

    def raw(self, top: int, left: int, height: int, width: int) -> RawMask:
        """What the mask holds in a window of the image."""
        if self._way is None:
            found, valid = self._file.window(top + self._shift[0], left + self._shift[1], height, width)
        else:
            found, valid = self._file.pixels(*self._pixels(self._way, top, left, height, width))
        matched = False
        if self.description.palette is not None:
            found, valid = self._as_colours(found, valid)
        else:
            found = found[0]
            if self._file.colours is not None:
                valid &= self._file.colours[found, 3] != 0
                if self.palettes is not None:
                    colours = [as_number(colour) for colour in self._file.colours]
                    found = found.copy()
                    found[valid], matched = self.palettes.in_first_order(self.path, found[valid], colours)
        return RawMask(found, None if valid.all() else ~valid, matched)

    @cached_property
    def _surveyed(self) -> tuple[MaskValues, bool]:
        """What the whole mask holds, and whether near colours are read."""
        for accepts_near in (True, False):
            parts = [self._decoded(*window, accepts_near).values for window in windows(*self.grid.size)]
            total = sum(parts, MaskValues())
            values = MaskValues(1, total.pixels, total.near, total.transparent, min(1, total.matched))
            visible = sum(values.pixels.values())
            if values.near <= MAX_NEAR * visible:
                break
        seen = MaskValues(1, values.pixels)  # pixels outside the mask do not thin out the wrong ones
        check_declared(self.path, off_palette_share(seen, self.description), values, self.description)
        return values, accepts_near

    def _decoded(self, top: int, left: int, height: int, width: int, accepts_near: bool) -> DecodedMask:
        return decode_mask(self.raw(top, left, height, width), self.description, accepts_near)

    # --- Where the file lies ---

    def _relate(self) -> tuple[Mapping2D | None, tuple[int, int]]:
        """The way from the image's pixels to the mask's; None and a shift of rows and columns where that is all."""
        crs, transform = self._file.crs, self._file.transform
        own = self.grid.of_file
        if not self.grid.has_place_like(crs, transform):
            return self._by_pixels(own), (0, 0)
        covered = self._covered(crs)
        to_mask = ~Affine(*transform)  # type: ignore[misc]  # it is not None, as `has_place_like` says
        shift = self._whole_shift(to_mask, own) if same_crs(own.crs, crs) else None
        if shift != (0, 0) or self._file.size != own.size:
            part = "" if covered >= _ALL_COVERED else f", of which it covers {max(covered, 0.001):.1%}"
            self.remarks.append(
                f"{self.path} ({_described(crs, self._file.size)}) lies on another grid than its image "
                f"({_described(own.crs, own.size)}){part}; it is brought there by its place, nearest "
                "neighbour"
            )
        if shift is not None and own is self.grid:
            return None, shift
        if same_crs(self.grid.crs, crs):
            both = chained(to_mask, self.grid.affine)
            return (lambda x, y: apply(both, x, y)), (0, 0)
        between = crs_way(str(self.grid.crs), str(crs))
        return (lambda x, y: apply(to_mask, *between(*apply(self.grid.affine, x, y)))), (0, 0)

    def _by_pixels(self, own: Grid) -> Mapping2D | None:
        """The way where image and mask have the same pixels, as they are shown; None where it is none."""
        tagged = self.description.exif == "apply" and self._file.transform is None
        turn = orientation_of_file(self.path) if tagged else UPRIGHT
        if turned_size(self._file.size, turn) != own.size:
            raise DataError(self._misfit())
        if own is self.grid and turn == UPRIGHT:
            return None
        scale = self.grid.factor
        return lambda x, y: in_stored(y * scale, x * scale, own.size, turn)[::-1]

    def _covered(self, crs: str | None) -> float:
        """Share of the image that the mask covers."""
        mask = Grid(self.path, self._file.size, crs, self._file.transform)
        try:
            share = max(common_share(mask, self.grid, self.grid), common_share(self.grid, mask, self.grid))
        except DataError as error:
            raise DataError(f"{self.path} and its image {self.grid.path}: {error}") from error
        if share:
            return share
        theirs, ours = (f"{crs_name(of.crs)}: {extent(bounds_of(of))}" for of in (mask, self.grid))
        raise DataError(
            f"{self.path} ({theirs}) does not overlap its image {self.grid.path} ({ours}); check that it is this "
            "image's mask, and its place"
        )

    def _whole_shift(self, to_mask: Affine, image: Grid) -> tuple[int, int] | None:
        both = chained(to_mask, image.affine)
        reach = max(*image.size, *self._file.size)
        shape = max(abs(both.a - 1), abs(both.b), abs(both.d), abs(both.e - 1)) * reach
        rows, columns = round(both.f), round(both.c)
        if max(shape, abs(both.f - rows), abs(both.c - columns)) > _WHOLE:
            return None
        return rows, columns

    def _misfit(self) -> str:
        transform = self._file.transform
        height, width = self._file.size
        sizes = f"{self.path} is {height}×{width}, but its image {self.grid.path} is "
        sizes += "{}×{}".format(*self.grid.of_file.size)
        if self._file.has_control_points:
            return f"{sizes}, and its place is given by control points; bring it to a grid first, such as by gdalwarp"
        if transform is None and self.grid.transform is None:
            return f"{sizes}, and neither has a place; image and mask must cover the same pixels"
        if transform is not None and self.grid.transform is not None:
            which = "the mask" if self.grid.crs else "the image"
            return f"{sizes}, and {which} has no CRS, so that their places cannot be compared; give it one"
        which = "image" if transform is None else "mask"
        return f"{sizes}, and only the {which} has a place; give both one, or image and mask the same pixels"

    def _on_nodata(self) -> list[str]:
        nodata = self._file.nodata
        if self.description.palette is not None or nodata is None:
            return []
        index = meanings(self.description).get(int(nodata)) if np.isfinite(nodata) and nodata == int(nodata) else None
        if index is None or index >= self.description.num_classes:
            return []
        return [
            f"{self.path} declares {nodata:g} to be nodata, which is also the code of "
            f"{self.description.classes[index]}; these pixels are unlabelled"
        ]

    # --- Pixels ---

    def _pixels(
        self, way: Mapping2D, top: int, left: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows and columns of the mask for each pixel of a window, int64, and whether the mask has them, bool."""
        x, y = positions(way, top, left, height, width)
        known = np.isfinite(x) & np.isfinite(y)
        columns, rows = (np.floor(np.where(known, side, -1)).clip(-1, 2**40).astype(np.int64) for side in (x, y))
        inside = (rows >= 0) & (rows < self._file.size[0]) & (columns >= 0) & (columns < self._file.size[1])
        return rows, columns, inside

    def _as_colours(self, values: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """RGB, uint8 (h, w, 3), and where it is visible."""
        if self._file.colours is not None:
            colours = self._file.colours[values[0]]
            return colours[..., :3], valid & (colours[..., 3] != 0)
        channels = values if len(values) == 3 else values.repeat(3, 0)
        return np.ascontiguousarray(np.moveaxis(channels, 0, -1)), valid


def _described(crs: str | None, size: tuple[int, int]) -> str:
    return f"{crs_name(crs)}, {size[0]}×{size[1]}"


def labelled_pixels(values: MaskValues, description: Description) -> int:
    """Pixels of a mask that have a class; a mask without any is no mask."""
    known = meanings(description)
    return sum(count for value, count in values.pixels.items() if known.get(value, IGNORE_INDEX) != IGNORE_INDEX)
