"""Labels that lie on another grid than their image, or are polygons: brought onto the image's grid."""
