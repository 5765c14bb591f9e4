"""The libraries that exporting needs and nothing else does: they may be missing."""

import importlib

from utils.errors import OptionError

LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


def require_libraries() -> None:
    """Say at once what is missing.

    Raises:
        OptionError: a library cannot be imported; says how to install them.
    """
    missing = []
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise OptionError(
            f"exporting needs {', '.join(LIBRARIES)}, and {' and '.join(missing)} cannot be imported; install "
            "requirements-export.txt by `make setup-export`, or `pip install -r requirements-export.txt`"
        )
