"""Styles of QGIS (`.qml`): maps of class ids in the classes' colours, confidences in grey, polygons by class.

QGIS applies a style that lies beside a file under its name (`map.qml` beside `map.tif`) as soon as the file is opened.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from utils.imagery.colours import RGB, format_colour
from utils.imagery.labels import PERCENT

_VERSION = "3.22.0-Białowieża"  # the oldest long-term release whose elements are used; newer ones read them
_DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_BEGINNING = 500  # characters of a style, in which its version and its kind stand
_OUTLINE = "35,35,35,128"  # of polygons: red, green, blue, opacity
_OUTLINE_WIDTH = "0.1"  # millimetres


def style_path(path: Path) -> Path:
    """Where QGIS looks for the style of a file."""
    return path.with_suffix(".qml")


def may_replace_style(path: Path) -> bool:
    """Whether no style lies at a path but one of polygons that `polygon_style` made; any other may be a person's."""
    if not path.exists():
        return True
    try:
        beginning = path.read_text(encoding="utf-8")[:_BEGINNING]
    except (OSError, UnicodeError):
        return False
    return f'version="{_VERSION}"' in beginning and "<renderer-v2" in beginning


def ids_style(classes: Sequence[str], colours: Sequence[RGB]) -> str:
    """The style of a raster of class ids: a palette with the classes' names."""
    root, pipe = _raster()
    renderer = SubElement(pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1")
    SubElement(renderer, "rasterTransparency")
    palette = SubElement(renderer, "colorPalette")
    for index, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        colour_text = format_colour(colour).lower()
        SubElement(palette, "paletteEntry", value=str(index), label=_text(name), color=colour_text, alpha="255")
    return document(_ended(root, pipe))


def percent_style() -> str:
    """The style of the first band of a raster of percent: grey, black for 0 and white for 100."""
    root, pipe = _raster()
    kind = {"type": "singlebandgray", "gradient": "BlackToWhite"}
    renderer = SubElement(pipe, "rasterrenderer", kind, grayBand="1", opacity="1", alphaBand="-1")
    SubElement(renderer, "rasterTransparency")
    stretch = SubElement(renderer, "contrastEnhancement")
    for tag, value in (("minValue", "0"), ("maxValue", str(PERCENT)), ("algorithm", "StretchToMinimumMaximum")):
        SubElement(stretch, tag).text = value
    return document(_ended(root, pipe))


def polygon_style(classes: Sequence[str], colours: Sequence[RGB], field: str) -> str:
    """The style of polygons: a colour a class.

    Args:
        classes: names, which are the values of the field.
        colours: RGB of each.
        field: the name of the field that holds the class.
    """
    return document(polygon_element(classes, colours, field))


def polygon_element(classes: Sequence[str], colours: Sequence[RGB], field: str, opacity: float = 1.0) -> Element:
    """The root of `polygon_style`, to which more can be added; opacity in [0, 1], of fillings and outlines."""
    root = Element("qgis", version=_VERSION, styleCategories="Symbology")
    renderer = SubElement(root, "renderer-v2", type="categorizedSymbol", attr=field, symbollevels="0", forceraster="0")
    renderer.set("enableorderby", "0")
    categories, symbols = SubElement(renderer, "categories"), SubElement(renderer, "symbols")
    for index, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        text = _text(name)
        SubElement(categories, "category", symbol=str(index), value=text, label=text, render="true", type="string")
        _add_fill(symbols, index, {"color": ",".join(map(str, (*colour, 255)))}, opacity)
    SubElement(root, "blendMode").text = "0"
    SubElement(root, "layerGeometryType").text = "2"
    return root


def outline_style(colour: RGB) -> str:
    """The style of polygons whose outlines alone are shown."""
    root = Element("qgis", version=_VERSION, styleCategories="Symbology")
    renderer = SubElement(root, "renderer-v2", type="singleSymbol", symbollevels="0", forceraster="0")
    renderer.set("enableorderby", "0")
    outline = {"outline_color": ",".join(map(str, (*colour, 255))), "outline_width": "0.3", "style": "no"}
    _add_fill(SubElement(renderer, "symbols"), 0, outline)
    SubElement(root, "layerGeometryType").text = "2"
    return document(root)


def _add_fill(symbols: Element, index: int, changes: dict[str, str], opacity: float = 1.0) -> None:
    symbol = SubElement(symbols, "symbol", name=str(index), type="fill", alpha=f"{opacity:g}", clip_to_extent="1")
    layer = SubElement(symbol, "layer", {"class": "SimpleFill"}, enabled="1", locked="0")
    layer.set("pass", "0")
    properties = {
        "color": "0,0,0,0",
        "outline_color": _OUTLINE,
        "outline_style": "solid",
        "outline_width": _OUTLINE_WIDTH,
        "outline_width_unit": "MM",
        "style": "solid",
    } | changes
    options = SubElement(layer, "Option", type="Map")
    for key, value in properties.items():
        SubElement(options, "Option", name=key, value=value, type="QString")
    for key, value in properties.items():  # what versions before 3.26 read
        SubElement(layer, "prop", k=key, v=value)


def category_names(names: Iterable[str]) -> Element:
    """The names of a raster's values from 0, as GDAL's `.aux.xml` holds them for a band."""
    element = Element("CategoryNames")
    for name in names:
        SubElement(element, "Category").text = _text(name)
    return element


def _raster() -> tuple[Element, Element]:
    root = Element("qgis", version=_VERSION, styleCategories="Symbology")
    return root, SubElement(root, "pipe")


def _ended(root: Element, pipe: Element) -> Element:
    SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    SubElement(pipe, "rasterresampler", maxOversampling="2")
    SubElement(root, "blendMode").text = "0"
    return root


def document(root: Element) -> str:
    """The text of a style."""
    ElementTree.indent(root, " ")
    return _DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"


def _text(name: str) -> str:
    """A name without the control characters that XML cannot hold."""
    return "".join(character if character.isprintable() else " " for character in name)
