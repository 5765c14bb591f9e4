"""How the page calls arms and comparisons: by what differs in a study, and by nothing that is the same everywhere."""

from collections.abc import Sequence
from html import escape

from utils.studies.cells import Cell
from utils.studies.pairs import METHOD, NETWORK, STRATEGY, Pairing
from utils.studies.words import amount_in_words


class Names:
    """Names of the arms of a study.

    Args:
        arms: all of them.
    """

    def __init__(self, arms: Sequence[Cell]) -> None:
        self._several = {
            name for name in ("data", "network", "amount") if len({getattr(arm, name) for arm in arms}) > 1
        }

    def arm(self, arm: Cell) -> str:
        """Strategy and method, and what else differs."""
        return ", ".join([arm.strategy, arm.method, *self._rest(arm)])

    def place(self, arm: Cell) -> str:
        """What arms that are drawn in one curve, or shown in one table, have in common; empty where all have it."""
        return ", ".join(self._rest(arm))

    def beside(self, pairing: Pairing) -> str:
        """What both arms of a comparison have in common."""
        arm = pairing.first
        shared = {STRATEGY: [arm.method], METHOD: [arm.strategy], NETWORK: [arm.strategy, arm.method]}
        return ", ".join([*shared[pairing.differs_in], *self._rest(arm, besides=pairing.differs_in)])

    def titled(self, pairing: Pairing) -> str:
        """A comparison with what both arms have in common in small letters below it, HTML."""
        return f"{escape(pairing.title)}<small>{escape(self.beside(pairing))}</small>"

    def _rest(self, arm: Cell, besides: str = "") -> list[str]:
        found = {"data": arm.data, "network": arm.network, "amount": amount_in_words(arm.amount)}
        return [text for name, text in found.items() if name in self._several and name != besides]
