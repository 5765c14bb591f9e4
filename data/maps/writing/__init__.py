"""What is written of a map: GeoTIFF files of a scene, PNG files of a picture, and how QGIS shows them."""
