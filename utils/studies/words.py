"""Numbers in words, as a study's plan and page say them."""

from decimal import Decimal


def counted(number: int, what: str) -> str:
    """`1 area`, `2 areas`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def are(number: int) -> str:
    """The verb after a number: `1 pair is`, `2 pairs are`."""
    return "is" if number == 1 else "are"


def duration(seconds: float) -> str:
    """A time in the unit that fits it: `42 s`, `7 min`, `3.4 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def amount_in_words(amount: str) -> str:
    """How many labels, from how it stands in names: `10 % labelled`, or `20 tiles labelled` for `n20`."""
    if amount.startswith("n"):
        return f"{counted(int(amount[1:]), 'tile')} labelled"
    return f"{(100 * Decimal(amount)).normalize():f} % labelled"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
