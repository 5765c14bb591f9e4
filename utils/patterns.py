"""Regular expressions that people write, matched within a time limit.

Python's matcher tries every way to read a text; an expression such as `^(a+)+$` needs longer than anyone waits. It
holds the interpreter meanwhile, so a thread could not end it: another process does the work, which can be killed.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

_SECONDS = 10.0  # for any number of names up to `_NAMES`; an ordinary expression takes microseconds a name
_NAMES = 100_000
_SEARCH = """
import json, re, sys
pattern, replacement, names = json.load(sys.stdin)
search = re.compile(pattern).search
for name in names:
    match = search(name)
    if match and replacement is not None:
        found = name[: match.start()] + match.expand(replacement) + name[match.end() :]
    else:
        found = match and match.group(1 if match.re.groups else 0)
    print(json.dumps(found), flush=True)
"""


class TooSlowError(Exception):
    """An expression that gave no answer in time.

    Attributes:
        text: what it was matched against.
        seconds: how long all texts together were given.
    """

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text, seconds)
        self.text, self.seconds = text, seconds


def search_all(pattern: str, texts: Sequence[str], seconds: float | None = None) -> list[str | None]:
    """What an expression finds in each text: its first group where it has one, else the whole match, or None.

    Args:
        pattern: a valid regular expression.
        texts: where to search.
        seconds: time limit for all texts; None: ten seconds for every 100,000 of them.

    Raises:
        TooSlowError: the time is over.
    """
    return _in_another_process(pattern, None, texts, seconds)


def replace_all(pattern: str, replacement: str, texts: Sequence[str], seconds: float | None = None) -> list[str | None]:
    """Each text with the first match of an expression replaced; None where there is none.

    Args:
        pattern, texts, seconds: as for `search_all`.
        replacement: what takes the match's place, with `\\1` for its first group.

    Raises:
        TooSlowError: the time is over.
    """
    return _in_another_process(pattern, replacement, texts, seconds)


def _in_another_process(
    pattern: str, replacement: str | None, texts: Sequence[str], seconds: float | None
) -> list[str | None]:
    if not texts:
        return []
    limit = seconds or _SECONDS * (1 + len(texts) // _NAMES)
    command = [sys.executable, "-I", "-S", "-c", _SEARCH]
    try:
        done = subprocess.run(
            command,
            input=json.dumps([pattern, replacement, list(texts)]).encode(),
            capture_output=True,
            timeout=limit,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        answered = (error.stdout or b"").count(b"\n")
        raise TooSlowError(texts[min(answered, len(texts) - 1)], limit) from error
    return [json.loads(line) for line in done.stdout.splitlines()]
