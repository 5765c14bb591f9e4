"""Why a file that torch saved cannot be used, in words for the user of a command."""

import zipfile
from pathlib import Path

MISFITS = (KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError)  # of restoring a foreign state


def what_is_wrong(path: Path) -> str:
    """What a file is that does not read as a saved state; looks at its bytes and runs nothing."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if not start:
            return "it is empty"
        if start != b"PK\x03\x04":
            return "it is not a file that this program saved"
        with zipfile.ZipFile(path) as archive:
            if not any(name.endswith("/data.pkl") for name in archive.namelist()):
                return "it is an archive of something else"
            part = archive.testzip()
        return f"it is damaged: the checksum of {part} is wrong" if part else "it holds more than tensors and plain values"
    except zipfile.BadZipFile:
        return "it is cut off: the directory at its end is missing"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except Exception:  # whatever else damaged bytes lead a reader of archives to
        return "it is damaged"


def misfit(error: Exception) -> str:
    """Why a state that was read does not fit a run, from the error that restoring it ended with."""
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, RuntimeError | ValueError):
        return "its tensors are those of other networks or options"
    return "a value in it is of another kind"
