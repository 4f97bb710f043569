"""What a caller at ten times its limit costs the others.

`python3 tests bench limits` prints `limits p99 RATIO …`: the p99 of twenty callers with keys of their own, each well
below its limit, while one more asks ten times as often as its key may, over the same callers' p99 without it. The site is
a process of its own; rounds with and without the flood take turns, and the median of each is compared.
"""

import asyncio
import contextlib
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from typing import Final

from marketplace.people.identity.actions import create_partner
from marketplace.people.identity.key_actions import create_key
from tests.benchmarks._bench import SITE, Run, p99, serving_program

LIMIT_A_MINUTE, TIMES = 1_200, 10
CALLERS, A_SECOND = 20, 4
SIZE, SMALLEST = 8, 1
"""Seconds of a round."""
MOST_ROUNDS = 5
PATH = "/api/v1/datasets"
TOO_MANY: Final = 429


def main(run: Run) -> None:
    """Run it on an empty marketplace of its own."""
    with run.marketplace(PARTAGE_ADDRESS_LIMIT="0", PARTAGE_KEY_LIMIT=str(LIMIT_A_MINUTE)) as place:
        keys = place.play(_keys)
        with serving_program(SITE) as port:
            quiet, flooded, refused = asyncio.run(_measure(port, keys, run.size))
    run.figure(
        "p99",
        f"{flooded / quiet:.2f}",
        f"× without the flood ({flooded * 1e3:.1f} ms, {quiet * 1e3:.1f} ms; "
        f"{refused:.0%} of {TIMES * LIMIT_A_MINUTE} requests a minute refused)",
    )


async def _keys() -> list[str]:
    """Return an API key for each caller, and one more."""
    partner = await create_partner(
        company="Atelier Urbain",
        country="FR",
        vat_number="FR14987654324",
        name="Camille",
        email="partner@people.example",
        password="a long enough password",
        partner_id=uuid.uuid4(),
    )
    made = [
        await create_key(partner, f"caller {n}", key_id=uuid.uuid4(), session="a session") for n in range(CALLERS + 1)
    ]
    return [key for key in made if key]


async def _measure(port: int, keys: list[str], seconds: int) -> tuple[float, float, float]:
    """Return the others' p99 quiet and beside the flood, in seconds, and the part of the flood that was refused."""
    *others, flooder = [Caller(port, key) for key in keys]
    for caller in others:
        await caller.open()
    answers: list[int] = []
    async with _flood(flooder, answers):
        await asyncio.sleep(60 / TIMES + 2)  # until it has spent what one may ask at once
    await _waited(others, seconds)
    quiet, flooded = [], []
    for _ in range(min(MOST_ROUNDS, seconds)):
        quiet.append(await _waited(others, seconds))
        answers.clear()
        async with _flood(flooder, answers):
            flooded.append(await _waited(others, seconds))
    return statistics.median(quiet), statistics.median(flooded), answers.count(TOO_MANY) / len(answers)


class Caller:
    """A program with one connection, kept open."""

    def __init__(self, port: int, key: str) -> None:
        """Ask at this port with this key."""
        self.port = port
        self.request = f"GET {PATH} HTTP/1.1\r\nHost: site\r\nAuthorization: Bearer {key}\r\n\r\n".encode()

    async def open(self) -> None:
        """Connect."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self) -> int:
        """Ask once and return the status."""
        self.writer.write(self.request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        await self.reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
        return int(head.split(" ", 2)[1])


@contextlib.asynccontextmanager
async def _flood(caller: Caller, answers: list[int]) -> AsyncIterator[None]:
    """Ask ten times as often as one may, as long as the block lasts."""
    has_ended = False
    await caller.open()  # anew: what is not used is closed meanwhile

    async def ask() -> None:
        began, every = time.perf_counter(), 60 / (LIMIT_A_MINUTE * TIMES)
        for number in range(1, 1 << 30):
            if has_ended:
                return
            answers.append(await caller.ask())
            await asyncio.sleep(max(0.0, began + number * every - time.perf_counter()))

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        has_ended = True
        await task


async def _waited(callers: list[Caller], seconds: int) -> float:
    """Let everyone ask so often a second, evenly spread; return the p99 in seconds from when each request was due."""
    waits: list[float] = []
    start = time.perf_counter()

    async def ask(place: int, caller: Caller) -> None:
        for number in range(seconds * A_SECOND):
            due = start + (number + place / len(callers)) / A_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            status = await caller.ask()
            assert status == 200, status
            waits.append(time.perf_counter() - due)

    await asyncio.gather(*(ask(place, caller) for place, caller in enumerate(callers)))
    return p99(waits)
