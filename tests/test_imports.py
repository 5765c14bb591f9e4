"""The tree's own rules, read from its source: which folder imports which, and that files are loaded without pickle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {
    "tools": {"tools", "data", "model", "utils"},
    "data": {"data", "utils"},
    "model": {"model", "utils"},
    "utils": {"utils"},
}
OWN = {*ALLOWED, "tests"}
SOURCES = [path for folder in ALLOWED for path in sorted((ROOT / folder).rglob("*.py"))]
SAFE_LOADING = {"torch": ("weights_only", True), "np": ("allow_pickle", False), "numpy": ("allow_pickle", False)}
UNPICKLERS = {"pickle", "cPickle", "joblib", "dill", "marshal", "shelve"}


def own_imports(source: str, folder: str) -> set[str]:
    """The tree's top-level folders that a module of `folder` imports, wherever in the module it does so."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add(folder if node.level else (node.module or "").partition(".")[0])
    return imported & OWN


def unsafe_loads(source: str) -> Iterator[str]:
    """Calls that could run code from a file: torch.load and np.load without their guards, and unpicklers."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in SAFE_LOADING:
            yield from (f"from {node.module} import load" for alias in node.names if alias.name == "load")
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr not in ("load", "loads") or not isinstance(node.func.value, ast.Name):
            continue
        module = node.func.value.id
        keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        guard, value = SAFE_LOADING.get(module, ("", None))
        if module in UNPICKLERS or (guard and keywords.get(guard) is not value):
            yield f"line {node.lineno}: {ast.unparse(node)}"


UNIX_MODULES = {"fcntl", "grp", "posix", "pwd", "resource", "termios", "tty", "pty", "syslog"}
UNIX_NAMES = {
    "os": {
        "fork", "getuid", "geteuid", "getgid", "getpgid", "killpg", "setsid", "sysconf", "sched_getaffinity",
        "posix_fadvise", "statvfs", "mkfifo", "getloadavg", "uname",
    },
    "signal": {"SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGCHLD", "alarm", "pause"},
}  # fmt: skip


def unguarded_unix(source: str) -> Iterator[str]:
    """Modules and names that only Unix has, outside of a `try`, a `with suppress(...)` or an `if` that asks first."""
    tree = ast.parse(source)
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        or (isinstance(node, ast.With) and "suppress(" in "".join(ast.unparse(item) for item in node.items))
        or (isinstance(node, ast.If) and any(asked in ast.unparse(node.test) for asked in ("hasattr(", "sys.platform")))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in UNIX_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in UNIX_MODULES:
            yield node.module
        elif isinstance(node, ast.Attribute) and node.attr in UNIX_NAMES.get(ast.unparse(node.value), ()):
            yield ast.unparse(node)


def unnamed_encodings(source: str) -> Iterator[str]:
    """Calls that open a text file, or read or write one, without an encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(k.arg == "encoding" for k in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        is_class = of[:1].isupper()  # whose own `open` takes no mode
        own = bool(of) and of not in ("os", "archive", "rasterio") and not is_class
        mode = next((a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)), "r")
        is_open = name == "open" and (own or isinstance(node.func, ast.Name)) and "b" not in mode
        if is_open or (name in ("read_text", "write_text") and isinstance(node.func, ast.Attribute)):
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path):
    folder = path.relative_to(ROOT).parts[0]
    assert own_imports(path.read_text(encoding="utf-8"), folder) <= ALLOWED[folder]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_only_unix_has_is_asked_for_first(path: Path):
    assert list(unguarded_unix(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_files_name_their_encoding(path: Path):
    """Python's default is that of the machine."""
    assert list(unnamed_encodings(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_loaded_without_pickle(path: Path):
    assert list(unsafe_loads(path.read_text(encoding="utf-8"))) == []


def test_all_four_folders_are_read_and_the_guarded_loads_are_seen():
    assert {path.relative_to(ROOT).parts[0] for path in SOURCES} == set(ALLOWED)
    loads = [
        node.func.value.id
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "load"
        if isinstance(node.func.value, ast.Name)
    ]
    assert {"torch", "np"} <= set(loads)


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import torch\nfrom utils.errors import DataError", {"utils"}),
        ("import data.tiles as t", {"data"}),
        ("def f():\n    from model import s4gan", {"model"}),
        ("from . import errors", {"utils"}),
        ("from tests.conftest import write_ucm", {"tests"}),
        ("import datasets, utility", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, imported: set[str]):
    assert own_imports(source, "utils") == imported


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import resource", 1),
        ("from fcntl import flock", 1),
        ("def f():\n    import pwd", 1),
        ("try:\n    import resource\nexcept ImportError:\n    pass", 0),
        ("os.sysconf('SC_PHYS_PAGES')", 1),
        ("with suppress(AttributeError):\n    os.sysconf('SC_PHYS_PAGES')", 0),
        ("if hasattr(os, 'sched_getaffinity'):\n    os.sched_getaffinity(0)", 0),
        ("getattr(signal, 'SIGHUP', None)", 0),
        ("if sys.platform == 'win32':\n    import msvcrt\nelse:\n    import fcntl", 0),
    ],
)
def test_what_only_unix_has_is_found(source: str, found: int):
    assert len(list(unguarded_unix(source))) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path.open()", 1),
        ("path.open('a', newline='')", 1),
        ("open(path, 'w')", 1),
        ("path.read_text()", 1),
        ("path.open('rb')", 0),
        ("path.open(encoding='utf-8')", 0),
        ("Image.open(path)", 0),
        ("Trained.open(folder)", 0),
    ],
)
def test_unnamed_encodings_are_found(source: str, found: int):
    assert len(list(unnamed_encodings(source))) == found


@pytest.mark.parametrize(
    ("source", "unsafe"),
    [
        ("torch.load(path, map_location='cpu', weights_only=True)", 0),
        ("np.load(path, allow_pickle=False)", 0),
        ("json.loads(text)", 0),
        ("torch.load(path)", 1),
        ("torch.load(path, weights_only=False)", 1),
        ("np.load(path)", 1),
        ("np.load(path, allow_pickle=flag)", 1),
        ("pickle.loads(content)", 1),
        ("from torch import load", 1),
    ],
)
def test_unguarded_loads_are_found(source: str, unsafe: int):
    assert len(list(unsafe_loads(source))) == unsafe
