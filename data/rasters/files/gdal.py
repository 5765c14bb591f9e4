"""GDAL as it is used here: its settings, its errors in one line, and the kinds of files that it may open."""

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from utils.errors import DataError, UserError

CACHE_MEGABYTES = 128  # of decoded blocks, in a process; GDAL's own default is 5 % of the machine's memory
ERRORS = (RasterioError, CPLE_BaseError, OSError, UnicodeError, MemoryError)
_SETTINGS = {  # as variables of the process, because those of `rasterio.Env` end with the first thread that leaves
    "GDAL_VRT_ENABLE_PYTHON": "NO",  # a VRT may carry code
    # Nothing is fetched: the tags of a TIFF or a sidecar may name overviews that lie on a server.
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",  # that way of reading does not notice a file that is cut off
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "TRUE",  # so that half a JPEG is an error
}
# Drivers that fetch, left out when rasterio's GDAL registers its own; pyogrio's has others and would complain of these.
_FETCHING = "HTTP,WMS,WMTS,WCS,EEDA,EEDAI,PLMOSAIC,STACIT,STACTA,DAAS,netCDF"
_MAGIC = {
    b"II*\0": "GTiff",
    b"MM\0*": "GTiff",
    b"II+\0": "GTiff",
    b"MM\0+": "GTiff",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JP2OpenJPEG",
    b"\xff\x4f\xff\x51": "JP2OpenJPEG",
    b"BM": "BMP",
}
_HEADER = 1024  # bytes in which GDAL looks for what tells a VRT
_VRT = b"<VRTDataset"
KINDS = "GeoTIFF, JPEG2000, WebP, PNG, JPEG, BMP or VRT"

os.environ.update(_SETTINGS)
_own = os.environ.get("GDAL_SKIP", "")
os.environ["GDAL_SKIP"] = ",".join(filter(None, (_own, _FETCHING)))
with rasterio.Env():  # registers the drivers
    pass
if _own:
    os.environ["GDAL_SKIP"] = _own
else:
    del os.environ["GDAL_SKIP"]
os.environ.setdefault("GDAL_CACHEMAX", str(CACHE_MEGABYTES))  # GDAL asks at the first block; a user's own value stands
logging.getLogger("rasterio").addHandler(logging.NullHandler())  # GDAL's messages: what is wrong is said in the error
_NO_WARNING = ("ignore", None, NotGeoreferencedWarning, None, 0)  # a scene without a place is an ordinary one


@contextlib.contextmanager
def session() -> Iterator[None]:
    """What every call of rasterio stands in, so that no message of GDAL reaches stderr."""
    if _NO_WARNING not in warnings.filters:  # not by `catch_warnings`, which threads must not share
        warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    with rasterio.Env():
        yield


@contextlib.contextmanager
def data_errors(path: Path, what: str, advice: str) -> Iterator[None]:
    """A session of GDAL whose errors become ours.

    Args:
        path: the file that is read.
        what: what is wrong if it fails, to follow the path.
        advice: what to do then.

    Raises:
        DataError: reading failed.
    """
    try:
        with session():
            yield
    except UserError:
        raise
    except ERRORS as error:
        raise DataError(f"{path} {what} ({reason_of_gdal(error, path)}); {advice}") from error


def driver_of(path: Path) -> str | None:
    """GDAL's name for the kind of a file, from its first bytes; None where it is none of `KINDS`.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if _VRT in header:
        return "VRT"
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return "WEBP"
    return next((driver for magic, driver in _MAGIC.items() if header.startswith(magic)), None)


def reason_of_gdal(error: BaseException, path: Path) -> str:
    """The first cause of an error, in GDAL's words on one line and without the file's name."""
    cause = error
    while cause.__cause__ is not None and str(cause.__cause__).strip():
        cause = cause.__cause__
    if isinstance(cause, MemoryError):
        return "too little memory"
    text = getattr(cause, "errmsg", None) or getattr(cause, "strerror", None) or str(cause)
    text = text.replace(str(path.absolute()), path.name)
    text = re.sub(rf"^'?{re.escape(path.name)}'?(, band \d+)?[:\s]+", "", " ".join(text.split()))
    return text.rstrip(". ") or type(cause).__name__
