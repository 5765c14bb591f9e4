"""Rasters and vectors with a place: scenes, labels on other grids or as polygons, footprints of tiles."""
