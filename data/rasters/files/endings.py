"""What names of files tell: which may be scenes, and which lie beside one; without GDAL."""

SCENE_ENDINGS = (".tif", ".tiff", ".jp2", ".j2k", ".webp", ".png", ".jpg", ".jpeg", ".bmp", ".vrt")
# World files, projections, statistics, overviews, masks, camera models, metadata, styles: what belongs to a scene.
_SIDECARS = (
    ".aux.xml", ".xml", ".ovr", ".msk", ".aux", ".rrd", ".wld", ".prj", ".tab", ".rpb", ".rpc", "_rpc.txt", ".imd",
    ".tfw", ".tifw", ".tiffw", ".jgw", ".jpgw", ".jpegw", ".pgw", ".pngw", ".j2w", ".jp2w", ".bpw", ".bmpw", ".webpw",
    ".wpw", ".qml", ".qmd", ".sld", ".points",
)  # fmt: skip


def belongs_to_scene(name: str) -> bool:
    """Whether a file lies beside a scene and is none itself: a world file, a projection, a mask, a style."""
    return name.lower().endswith(_SIDECARS)
