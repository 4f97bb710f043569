"""Sixty people who sign in at once, and somebody who looks at a page meanwhile.

`python3 tests bench sign_ins` prints `sign_ins page RATIO …`, the slowest page while sixty passwords are checked over
the slowest page of an idle site, and `sign_ins last SECONDS …`, how long the last of the sixty waited.
"""

import asyncio
import time

import httpx

from marketplace.people.identity import passwords
from marketplace.site.app import create_app
from tests.benchmarks._bench import Run

SIZE, SMALLEST = 60, 2
"""People."""
MOST_PAGES = 200


def main(run: Run) -> None:
    """Run it on an empty marketplace of its own."""
    with run.marketplace() as place:
        idle, busy, last = place.play(lambda: _measure(run.size))
    spent = f"({busy * 1e3:.0f} ms, {idle * 1e3:.0f} ms)"
    run.figure("page", f"{busy / idle:.2f}", f"× an idle site's slowest page {spent}")
    run.figure("last", f"{last:.1f}", f"seconds for {run.size} at once")


async def _measure(people: int) -> tuple[float, float, float]:
    """Return the slowest page of an idle site, the slowest while people sign in, and the longest sign-in, in seconds."""
    pages = min(MOST_PAGES, 10 * people)
    transport = httpx.ASGITransport(app=create_app(manages_pool=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:

        async def page() -> float:
            began = time.perf_counter()
            (await client.get("/en/catalogue")).raise_for_status()
            return time.perf_counter() - began

        await passwords.matches(None, "the first makes the hash that strangers' passwords are compared with")
        for _ in range(pages // 10):
            await page()
        idle = max([await page() for _ in range(pages)])
        began, busy = time.perf_counter(), 0.0
        guesses = [asyncio.create_task(passwords.matches(None, f"guess {n}")) for n in range(people)]
        while not all(guess.done() for guess in guesses):
            busy = max(busy, await page())
        return idle, busy, time.perf_counter() - began
