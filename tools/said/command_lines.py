"""Commands that can be pasted into a shell as they are printed, and what to know about them."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class NextStep:
    """A command and what to know of it.

    Attributes:
        command: one line for a shell.
        notes: lines of a shell's comments, pasted with it or not.
        first: what has to be done before; empty where nothing is.
        by: a command that helps with that; empty where none does.
    """

    command: str
    notes: Sequence[str] = ()
    first: str = ""
    by: str = ""

    def __str__(self) -> str:
        head = "next:"
        if self.first:
            head += f" {self.first}" + (f", by\n\n{self.by}\n\nthen" if self.by else ", then")
        return "\n".join([f"{head}\n", self.command, *(f"# {note}" for note in self.notes)])


def command_line(script: str, options: Mapping[str, object]) -> str:
    """A command of tools/ with its options, quoted for a shell, to be run from where the user is.

    Args:
        script: its file, such as `train_AL.py`.
        options: values by option; True is a flag, None and False are left out.
    """
    words: list[str] = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words += [f"{name}={value}"] if str(value).startswith("-") else [name, str(value)]
    return typed_again(script, words)


def typed_again(script: str, words: Sequence[str]) -> str:
    """A command of tools/ with what was typed behind it, quoted for a shell."""
    is_at_root = Path.cwd() == ROOT
    path = Path("tools", script) if is_at_root else ROOT / "tools" / script
    return " ".join(_quoted(word) for word in ["python", str(path), *words])


def _quoted(word: str) -> str:
    """A word for a shell; bytes that are no text and control characters as bash, zsh and POSIX 2024 escape them."""
    if word.isprintable():
        return shlex.quote(word)
    plain = {ord("'"): "\\'", ord("\\"): "\\\\"}
    escaped = (plain.get(b, chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in os.fsencode(word))
    return "$'" + "".join(escaped) + "'"


@dataclass(frozen=True)
class FirstWeights:
    """Weights of this program's making that a command starts from: their file, and its backbone."""

    file: Path
    backbone: str


def free_folder(path: Path) -> Path:
    """The folder, or with a number behind its name, such that nothing lies in it: commands do not mix their results."""
    candidate, number = path, 2
    while candidate.exists() and not (candidate.is_dir() and not any(candidate.iterdir())):
        candidate, number = path.with_name(f"{path.name}-{number}"), number + 1
    return candidate
