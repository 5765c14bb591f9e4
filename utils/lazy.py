"""Public names of a package that are imported when they are asked for, so that `--help` need not wait for torch."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def public_names(
    package: str, homes: Mapping[str, str]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """What a package's `__init__` needs to offer names of its modules.

    Args:
        package: the package's `__name__`.
        homes: the module of each public name, below the package.

    Returns:
        `__all__`, `__getattr__` and `__dir__` of the package.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; public are {', '.join(homes)}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return list(homes), get, lambda: sorted({*vars(sys.modules[package]), *homes})
