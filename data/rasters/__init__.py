"""Scenes with a place, any number of bands and any kind of values: all that is read through GDAL."""
