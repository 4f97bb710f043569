"""Opening sealed asks: one process per core opens millions; the job's own process opens a few.

Opening one is a key exchange, forty microseconds that arrays cannot shorten; so it is distributed while the next asks
are read. Only those processes get the key, and they store nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace.core import sealing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

WAITING_A_CORE: Final = 2
"""Pieces under way for each core; reading waits for more than that, so that they do not fill the memory."""


class OpenedAsk(Struct, frozen=True):
    """The sealed content of an ask: the lowest payment, in micro-euros."""

    least_micro: int


_READER: Final = msgspec.json.Decoder(OpenedAsk)


class Opener:
    """Opens asks under one key, in several processes if there are many asks; `close` ends them."""

    def __init__(self, key: str, *, is_shared: bool) -> None:
        """Start with nothing opened. key: the private one, 64 hex digits. is_shared: whether to use every core."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._key, self._most = key, WAITING_A_CORE * cores
        self._pool = ProcessPoolExecutor(cores, get_context("spawn")) if is_shared else None
        self._coming: deque[asyncio.Future[NDArray[np.int64]]] = deque()
        self._opened: list[NDArray[np.int64]] = []

    async def add(self, rows: Sequence[bytes], sealed: Sequence[bytes]) -> None:
        """Add asks to open, by their rows' ids, 16 bytes each; returns before they are opened, while few wait."""
        loop = asyncio.get_running_loop()
        self._coming.append(loop.run_in_executor(self._pool, open_asks, rows, sealed, self._key))
        while len(self._coming) > self._most:
            self._opened.append(await self._coming.popleft())

    async def all(self) -> NDArray[np.int64]:
        """Return the amounts of all added asks, in their order, in micro-euros; raises UnopenableError."""
        import numpy as np  # noqa: PLC0415 (only the closing job needs it)

        while self._coming:
            self._opened.append(await self._coming.popleft())
        return np.concatenate(self._opened) if self._opened else np.zeros(0, dtype=np.int64)

    def close(self) -> None:
        """End the processes, even while they are busy."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def open_asks(rows: Sequence[bytes], sealed: Sequence[bytes], key: str) -> NDArray[np.int64]:
    """Return the amounts of asks, in micro-euros; raises UnopenableError."""
    import numpy as np  # noqa: PLC0415 (only the closing job needs it)

    amounts = (
        _READER.decode(sealing.unsealed(one, row, key)).least_micro for row, one in zip(rows, sealed, strict=True)
    )
    return np.fromiter(amounts, dtype=np.int64, count=len(rows))
