"""Why a weight file cannot be used: words shared by its readers."""

from collections.abc import Iterable
from pathlib import Path

from utils.errors import DataError
from utils.suggest import first_names

README = "pretrained_models/README.md"
FETCH_AGAIN = f"copy or download it again and compare its SHA-256 ({README})"
SAVE_STATE_DICT = "save a state dict: torch.save(network.state_dict(), file)"


class UnreadableError(Exception):
    """A file that holds no readable state dict: what was found, what was expected, what to do."""

    def __init__(self, found: str, expected: str = "a state dict saved by torch", remedy: str = FETCH_AGAIN) -> None:
        super().__init__(found, expected, remedy)


def weights_error(path: Path, found: str, expected: str, remedy: str) -> DataError:
    """The user's error: the file, what it is, what was expected, what to do."""
    return DataError(f"{path}: {found}; expected {expected}; {remedy}")


def holds_code(name: str) -> UnreadableError:
    """The error for a file whose pickle names a class or function that weights have no need of."""
    return UnreadableError(
        f"holds code or objects ({first_names([name])}), none of which was run", "tensors only", SAVE_STATE_DICT
    )


def damaged(what: str) -> UnreadableError:
    """The error for bytes that are not what they should be."""
    return UnreadableError(f"truncated or damaged: {what}")


def shape_text(sizes: Iterable[int]) -> str:
    """A shape as text: 64×3×7×7."""
    return "×".join(str(size) for size in sizes) or "scalar"
