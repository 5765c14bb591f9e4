"""Polygons of maps: the outlines of regions, in a GeoPackage that holds their style."""
