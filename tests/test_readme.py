"""The README names files: each is there, and each folder of the sources has its line in the tree."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE = README.partition("## The tree")[2].partition("```\n")[2].partition("```")[0]


def named_in_tree() -> dict[str, list[str]]:
    """File names and patterns by folder."""
    named: dict[str, list[str]] = {}
    folder = ""
    for line in TREE.splitlines():
        if beginning := re.match(r"(\S+)/\s", line):
            folder = beginning[1]
        named.setdefault(folder, []).extend(re.findall(r"[\w*]+\.py\b", line))
    return named


def test_every_file_of_the_tree_is_there():
    missing = [
        f"{f}/{name}" for f, names in named_in_tree().items() for name in names if not list((ROOT / f).glob(name))
    ]
    assert missing == []


def test_every_folder_of_the_sources_has_its_line():
    folders = {
        p.parent.relative_to(ROOT).as_posix()
        for top in ("data", "model", "tools", "utils")
        for p in (ROOT / top).rglob("*.py")
    }
    assert folders <= set(named_in_tree())


def test_every_path_in_the_text_is_there():
    paths = set(re.findall(r"`((?:data|model|tools|utils)/[\w/]+\.py)", README))
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).is_file()] == []
