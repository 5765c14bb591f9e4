"""Styles of QGIS: classes in their colours with a drop-down to choose them from, and outlines."""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from utils.imagery.colours import RGB

_HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_OPACITY = 0.55


def label_style(field: str, names: Sequence[str], colours: Sequence[RGB]) -> str:
    """Polygons in the colour of their class; in forms, the field is a drop-down of the classes and may not be empty.

    Args:
        field: with the class.
        names, colours: of the classes.
    """
    categories = "".join(
        f'   <category value={quoteattr(name)} symbol="{number}" label={quoteattr(name)} render="true"/>\n'
        for number, name in enumerate(names)
    )
    symbols = "".join(_fill(number, (*colour, 255), (35, 35, 35, 255)) for number, colour in enumerate(colours))
    choices = "".join(
        f'       <Option type="Map"><Option name={quoteattr(name)} type="QString" value={quoteattr(name)}/></Option>\n'
        for name in names
    )
    return (
        f'{_HEAD}<qgis version="3.28.0" styleCategories="Symbology|Fields|Forms">\n'
        f' <renderer-v2 type="categorizedSymbol" attr={quoteattr(field)} symbollevels="0" enableorderby="0" '
        'forceraster="0">\n'
        f"  <categories>\n{categories}  </categories>\n  <symbols>\n{symbols}  </symbols>\n </renderer-v2>\n"
        f' <fieldConfiguration>\n  <field name={quoteattr(field)} configurationFlags="None">\n'
        '   <editWidget type="ValueMap">\n    <config><Option type="Map"><Option name="map" type="List">\n'
        f"{choices}    </Option></Option></config>\n   </editWidget>\n  </field>\n </fieldConfiguration>\n"
        f' <constraints>\n  <constraint field={quoteattr(field)} constraints="1" notnull_strength="1" '
        'unique_strength="0" exp_strength="0"/>\n </constraints>\n'
        " <layerGeometryType>2</layerGeometryType>\n</qgis>\n"
    )


def outline_style() -> str:
    """Outlines without a filling."""
    return (
        f'{_HEAD}<qgis version="3.28.0" styleCategories="Symbology">\n'
        ' <renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0">\n'
        f"  <symbols>\n{_fill(0, (0, 0, 0, 0), (227, 26, 28, 255), 'no')}  </symbols>\n </renderer-v2>\n"
        " <layerGeometryType>2</layerGeometryType>\n</qgis>\n"
    )


def _fill(number: int, colour: Sequence[int], outline: Sequence[int], style: str = "solid") -> str:
    """A symbol of one filling, with its properties as QGIS from 3.20 on reads them, and as it did before."""
    values = {
        "color": ",".join(map(str, colour)),
        "outline_color": ",".join(map(str, outline)),
        "outline_style": "solid",
        "outline_width": "0.3",
        "outline_width_unit": "MM",
        "style": style,
    }
    options = "".join(f'<Option name="{key}" type="QString" value="{value}"/>' for key, value in values.items())
    old = "".join(f'<prop k="{key}" v="{value}"/>' for key, value in values.items())
    return (
        f'   <symbol type="fill" name="{number}" alpha="{_OPACITY if style == "solid" else 1}" clip_to_extent="1">'
        f'<layer class="SimpleFill" pass="0" enabled="1" locked="0"><Option type="Map">{options}</Option>{old}</layer>'
        "</symbol>\n"
    )
