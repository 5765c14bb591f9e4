"""The style of polygons that are drawn in QGIS: classes in their colours, with a drop-down to choose them from."""

from collections.abc import Sequence
from xml.etree.ElementTree import SubElement

from data.maps.writing.styles import document, polygon_element
from utils.imagery.colours import RGB

_OPACITY = 0.55  # so that the picture below is seen


def label_style(field: str, names: Sequence[str], colours: Sequence[RGB]) -> str:
    """Polygons in the colour of their class; in forms, the field is a drop-down of the classes and may not be empty.

    Args:
        field: with the class.
        names, colours: of the classes.
    """
    root = polygon_element(names, colours, field, _OPACITY)
    root.set("styleCategories", "Symbology|Fields|Forms")
    fields = SubElement(root, "fieldConfiguration")
    widget = SubElement(SubElement(fields, "field", name=field, configurationFlags="None"), "editWidget")
    widget.set("type", "ValueMap")
    config = SubElement(SubElement(widget, "config"), "Option", type="Map")
    choices = SubElement(config, "Option", name="map", type="List")
    for name in names:
        SubElement(SubElement(choices, "Option", type="Map"), "Option", name=name, value=name, type="QString")
    needed = {"constraints": "1", "notnull_strength": "1", "unique_strength": "0", "exp_strength": "0"}
    SubElement(SubElement(root, "constraints"), "constraint", needed, field=field)
    return document(root)
