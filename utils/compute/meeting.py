"""A barrier for several processes without a deadline: heartbeats tell a slow process from one that has ended."""

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Iterable
from datetime import timedelta

from torch.distributed import TCPStore  # type: ignore[attr-defined] # documented, but not in its list of names

from utils.errors import LostProcessError

BEAT, PATIENCE = 5.0, 300.0  # seconds between two heartbeats; without one for so long a process is taken for dead
_LONGEST_PAUSE = 0.2  # seconds between two checks of the store


class Meeting:
    """The barrier, kept in the key-value store of the rendezvous, over a connection of its own.

    Torch's collectives, its barrier too, have a deadline, 10 minutes with nccl and 30 with gloo, that starts with the
    first process to arrive: too short where one process decodes a large set or chooses from it. Here a thread of each
    process sends heartbeats. The others notice that a process has ended by its own message, by the loss of the store,
    or by missing heartbeats.

    Args:
        rank, world_size: this process, and how many there are.
        beat, patience: seconds between two heartbeats, and without one until a process is taken for dead.
    """

    def __init__(self, rank: int, world_size: int, beat: float = BEAT, patience: float = PATIENCE) -> None:
        self.rank, self.world_size, self.beat, self.patience = rank, world_size, beat, patience
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self._store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=patience))
        self._name = f"meeting{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"  # the store outlives a restart
        self._number = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        atexit.register(self.say_ended)

    def wait_for_all(self) -> None:
        """Return when all processes are here; they have to come equally often.

        Raises:
            LostProcessError: one ended before.
        """
        self._number += 1
        self._set(f"{self._number}/{self.rank}")
        missing = set(range(self.world_size)) - {self.rank}
        pause, life = 0.001, _Heartbeats(missing)
        while missing := {rank for rank in missing if not self._is_set(f"{self._number}/{rank}")}:
            for rank in missing:
                if self._is_set(f"ended/{rank}") or life.silence(rank, self._beats(rank)) > self.patience:
                    raise lost(self.rank)
            time.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE, self.beat)

    def say_ended(self) -> None:
        """Tell the others that this process ends before the work is done, if there is a store yet to tell it to."""
        with contextlib.suppress(LostProcessError):
            self._set(f"ended/{self.rank}")

    def close(self) -> None:
        """Stop the heartbeats: the work is done."""
        atexit.unregister(self.say_ended)
        self._is_over.set()
        self._thread.join()

    def _beat(self) -> None:
        while True:
            try:
                self._store.add(f"{self._name}/beats/{self.rank}", 1)
            except RuntimeError:  # the store is gone: so is what this thread is for
                return
            if self._is_over.wait(self.beat):
                return

    def _beats(self, rank: int) -> int:
        try:
            return self._store.add(f"{self._name}/beats/{rank}", 0)
        except RuntimeError as error:
            raise lost(self.rank) from error

    def _is_set(self, key: str) -> bool:
        try:
            return self._store.check([f"{self._name}/{key}"])
        except RuntimeError as error:
            raise lost(self.rank) from error

    def _set(self, key: str) -> None:
        try:
            self._store.set(f"{self._name}/{key}", "")
        except RuntimeError as error:
            raise lost(self.rank) from error


class _Heartbeats:
    """The heartbeats of other processes: since when each count has stood still."""

    def __init__(self, ranks: Iterable[int]) -> None:
        self._seen = {rank: (-1, time.monotonic()) for rank in ranks}

    def silence(self, rank: int, beats: int) -> float:
        """Seconds since the count last changed."""
        now = time.monotonic()
        if beats != self._seen[rank][0]:
            self._seen[rank] = beats, now
        return now - self._seen[rank][1]


def lost(rank: int) -> LostProcessError:
    """The error of a process that ends because another one did."""
    return LostProcessError(
        f"process {rank} ends because another one did; that one's message says why (--debug shows torch's)"
    )
