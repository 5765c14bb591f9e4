"""Styles within a GeoPackage, in the table where QGIS looks for them."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

GEOMETRY = "geom"  # the column of polygons
GPKG_OPTIONS = {"VERSION": "1.2"}  # which programs of 2018 and later read without a warning
_TABLE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME DEFAULT CURRENT_TIMESTAMP
)
"""  # as QGIS makes it, and reads it as the style of a layer


def keep_styles(package: Path, styles: Mapping[str, str]) -> None:
    """Add styles to a GeoPackage that has none.

    Args:
        package: the file.
        styles: QML by layer, each the default of its layer.

    Raises:
        sqlite3.Error: the file cannot be written.
    """
    with closing(sqlite3.connect(package)) as file, file:
        file.execute(_TABLE)
        file.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) "
            "VALUES ('layer_styles', 'attributes', 'layer_styles')"
        )
        for layer, style in styles.items():
            file.execute(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
                "styleName, styleQML, useAsDefault, description, owner, update_time) "
                "VALUES ('', '', ?, ?, ?, ?, 1, '', '', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))",
                (layer, GEOMETRY, layer, style),
            )
