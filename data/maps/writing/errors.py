"""Errors of GDAL and SQLite while they write, as a user is told of them."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyogrio.errors import DataLayerError, DataSourceError

from data.rasters.files.gdal import ERRORS, reason_of_gdal, session
from utils.errors import DataError, UserError
from utils.runs.files import storage_error

_ERRORS = (*ERRORS, DataSourceError, DataLayerError, RuntimeError, sqlite3.Error)
_LITTLE = 1 << 20  # bytes: less room than that is no room


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A session of GDAL that writes a file.

    Args:
        path: the name that the file is to have.

    Raises:
        OptionError: the folder cannot be written.
        DataError: the disk is full, or GDAL's own reason.
    """
    try:
        with session():
            yield
    except UserError:
        raise
    except _ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise storage_error(path, error) from error
        raise DataError(f"{path} could not be written ({reason_of_gdal(error, path)}){_advice(path)}") from error


def _advice(path: Path) -> str:
    with suppress(OSError):
        if shutil.disk_usage(path.parent).free < _LITTLE:
            return ": the disk is full; free some space or choose another folder"
    return "; is the disk full? Free some space and run again"
