"""Files of scenes before they are read: which there are, what GDAL may open, what headers and colour tables say."""
