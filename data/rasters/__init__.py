"""Rasters of any bands, values and place: scenes as they are, or seen otherwise, and tiles in raster files."""
