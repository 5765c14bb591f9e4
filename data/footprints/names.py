"""Names of the files that say where tiles lie; reading them needs no GDAL."""

TILES_CSV, TILES_GPKG = "tiles.csv", "tiles.gpkg"
