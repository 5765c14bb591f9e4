"""What a VRT reads, found before GDAL opens it: it may name any file, any server, and even carry code.

Read are local files of the kinds that are scenes, wherever they lie, and other VRTs of the same kind. Refused are
servers and GDAL's virtual file systems (`/vsicurl/`, `/vsizip/`), pixel functions in Python, document types and
entities, and sources that are not there.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from data.rasters.files.gdal import KINDS, driver_of
from utils.errors import DataError
from utils.paths import no_file, read_bytes, reason_of

_LARGEST = 1 << 28  # bytes of a VRT
_DEEPEST = 8  # VRTs of VRTs
_FILE_KEYS = {"sourcefilename", "sourcedataset", "x_dataset", "y_dataset", "dempath", "rpc_dem"}  # GDAL ignores case
_KINDS = {"", "vrtwarpeddataset", "vrtpansharpeneddataset"}


def vrt_sources(path: Path) -> tuple[Path, ...]:
    """The image files that a VRT reads, through other VRTs too.

    Raises:
        DataError: one is missing, or the VRT is refused for a reason above.
    """
    found: dict[Path, None] = {}
    _follow(path, found, (Path(os.path.realpath(path)),))
    return tuple(found)


def _follow(vrt: Path, found: dict[Path, None], chain: tuple[Path, ...]) -> None:
    for source in _named_files(vrt):
        real = Path(os.path.realpath(source))
        if real in found:
            continue
        if _driver(vrt, source) != "VRT":
            found[real] = None
        elif real in chain or len(chain) > _DEEPEST:
            raise DataError(f"{vrt} reads {source}, which reads it in turn; make the VRT anew from its images")
        else:
            _follow(real, found, (*chain, real))


def _driver(vrt: Path, source: Path) -> str:
    if (fault := no_file(source)) is not None:
        raise DataError(f"{vrt} reads {source}, which {fault}; put the file there, or make the VRT anew")
    try:
        driver = driver_of(source)
    except OSError as error:
        raise DataError(f"{vrt} reads {source}, which cannot be read ({reason_of(error)}); check its rights") from error
    if driver is None:
        raise DataError(f"{vrt} reads {source}, which is no {KINDS}; convert it with gdal_translate")
    return driver


def _named_files(vrt: Path) -> list[Path]:
    """The files that one VRT names; relative ones lie beside the file itself, not beside a link to it."""
    folder = Path(os.path.realpath(vrt)).parent
    found = []
    for key, text, is_relative in _entries(vrt, _parsed(vrt)):
        if "/vsi" in text.lower() or "://" in text:
            raise DataError(f"{vrt} reads '{text[:200]}', which is no local file; only files on disk are read")
        if key in _FILE_KEYS and text:
            found.append(folder / text if is_relative else Path(text))
    return found


def _parsed(vrt: Path) -> ElementTree.Element:
    content = read_bytes(vrt)
    if len(content) > _LARGEST:
        raise DataError(f"{vrt} has {len(content) >> 20} MiB, above the {_LARGEST >> 20} that are read")
    if b"<!DOCTYPE" in content.upper() or b"<!ENTITY" in content.upper():
        raise DataError(f"{vrt} declares a document type or entities, which no VRT needs; make it anew")
    try:
        root = ElementTree.fromstring(content.decode("utf-8"))  # as text: GDAL knows no other encoding either
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{vrt} is not a whole VRT ({reason_of(error)}); make it anew") from error
    if root.tag != "VRTDataset":
        raise DataError(f"{vrt} is not a VRT: it begins with <{root.tag}>, expected <VRTDataset>")
    return root


def _entries(vrt: Path, element: ElementTree.Element) -> Iterator[tuple[str, str, bool]]:
    """Key, text and "relative to the VRT" of each element and attribute that might name a file.

    Of metadata only what places pixels (GEOLOCATION) counts: other texts may well speak of web pages.
    """
    attributes = {name.lower(): value.strip() for name, value in element.attrib.items()}
    tag = str(element.tag).lower()
    if tag == "metadata" and attributes.get("domain", "").upper() != "GEOLOCATION":
        return
    text = (element.text or "").strip()
    if tag == "vrtdataset" and attributes.get("subclass", "").lower() not in _KINDS:
        raise DataError(f"{vrt} is a {attributes['subclass']}, which is not read; convert it with gdal_translate")
    languages = {attributes.get("pixelfunctionlanguage", ""), text if tag == "pixelfunctionlanguage" else ""}
    if any("python" in language.lower() for language in languages):
        raise DataError(f"{vrt} carries a pixel function in Python, and code in a file is never run; convert it first")
    relative = attributes.get("relativetovrt", "0")
    if relative not in ("0", "1") or (tag in _FILE_KEYS and len(element)):
        raise DataError(f"{vrt} names a file in an unusual way, in <{element.tag}>; make it anew with gdalbuildvrt")
    yield attributes.get("key", tag).lower(), text, relative == "1"
    yield from ((name, value, relative == "1") for name, value in attributes.items())
    for child in element:
        yield from _entries(vrt, child)
