"""Maps of scenes: georeferenced rasters, polygons, areas and styles, and the area of interest that is mapped."""
