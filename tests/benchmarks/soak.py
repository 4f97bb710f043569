"""An hour's mix of everything, compressed into ten minutes, on the demo: memory stays flat and nothing is lost.

`python3 tests bench soak` prints `soak memory RATIO …`, the resident memory of the process (site and jobs are one there)
in the last fifth of the time over what it was once warm, after two fifths; how many requests of each kind were answered;
and whether every order that was paid became a licence, once, and every invariant holds.
"""

import asyncio
import contextlib
import itertools
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx

from marketplace.demo.seed_people import FINANCE, PARTNER, STEWARD, SUBSCRIBER
from marketplace.demo.seed_sales import pay_hosted_page
from tests.benchmarks._bench import Run
from tests.support.market import Visitor
from tests.support.ports import free_port
from tests.support.waiting import until

Story = Callable[[Visitor], Awaitable[None]]

SIZE, SMALLEST = 600, 15
"""Seconds."""
STARTS_WITHIN_SECONDS, SETTLES_WITHIN_SECONDS, ANSWERS_WITHIN_SECONDS = 600, 120, 120
WARM, LAST = 0.4, 0.8
"""From when the memory is warm, and from when it is the last, as parts of the time."""
PEOPLE: Final = {"partner": PARTNER, "subscriber": SUBSCRIBER, "finance": FINANCE, "steward": STEWARD}
ORDER = re.compile(r"/orders/[0-9a-f-]{36}")
DATASET_PAGE = re.compile(r'href="/en(/datasets/[^"?/]+)"')
PURCHASES: Final = 45
"""A partner may ask for fifty quotes a day."""
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def main(run: Run) -> None:
    """Run it on a demo of its own."""
    with tempfile.TemporaryDirectory(prefix="partage-soak-") as folder:
        Path(folder).chmod(0o755)
        port = free_port()
        # An hour in ten minutes, from one address, while other work runs: slow answers are answers here.
        limits = {"PARTAGE_ADDRESS_LIMIT": "0", "PARTAGE_REQUEST_SECONDS": str(ANSWERS_WITHIN_SECONDS)}
        environment = os.environ | {"PARTAGE_STATE": folder, "PORT": str(port)} | limits
        command = [sys.executable, "-m", "marketplace"]
        with subprocess.Popen([*command, "demo"], env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                counts, memory, paid = asyncio.run(_soak(f"http://127.0.0.1:{port}", process, run.size))
            finally:
                process.send_signal(signal.SIGTERM)
        checked = subprocess.run([*command, "check"], env=environment, capture_output=True, text=True, check=False)
    warm = statistics.median(size for at, size in memory if WARM <= at < (WARM + LAST) / 2)
    last = statistics.median(size for at, size in memory if at >= LAST)
    spent = f"({last / 2**20:.0f} MiB, {warm / 2**20:.0f} MiB)"
    run.figure("memory", f"{last / warm:.3f}", f"× what it was once warm {spent}")
    kinds = ", ".join(f"{n} {k}" for k, n in sorted(counts.items()))
    run.figure("answered", f"{sum(counts.values())}", f"requests in {run.size} s: {kinds}")
    invariants = checked.stdout.strip().splitlines()[-1]
    run.figure("lost", f"{len(paid) - sum(paid.values())}", f"of {len(paid)} paid orders; {invariants}")


async def _soak(
    base: str, demo: subprocess.Popen[bytes], seconds: int
) -> tuple[Counter[str], list[tuple[float, int]], dict[str, bool]]:
    """Return the answers by kind, the resident bytes by the part of the time, and whether each paid order is a licence."""
    await _answers(base, demo)
    counts: Counter[str] = Counter()
    paid: dict[str, bool] = {}
    memory: list[tuple[float, int]] = []
    began = time.monotonic()

    async def again(kind: str, who: str, every: float, story: Story) -> None:
        visitor = Visitor(base)
        visitor.http.timeout = httpx.Timeout(ANSWERS_WITHIN_SECONDS)
        async with visitor.http:
            if who:
                await visitor.submit("/sign-in", f"/demo/sign-in/{PEOPLE[who].email}")
            for number in itertools.count(1):
                await story(visitor)
                counts[kind] += 1
                rest = began + number * every - time.monotonic()
                if time.monotonic() - began + max(rest, 0) > seconds:
                    return
                await asyncio.sleep(max(rest, 0))

    async def watch() -> None:
        while (passed := time.monotonic() - began) < seconds:
            memory.append((passed / seconds, _resident(demo.pid)))
            await asyncio.sleep(1)

    async def buy(visitor: Visitor) -> None:
        paid[await _buy(visitor)] = False

    await asyncio.gather(
        watch(),
        *(again("pages of strangers", "", 0.5, _look) for _ in range(2)),
        again("pages of partners", "partner", 1, _pages("/orders", "/auctions", "/keys", "/inbox", "/invoices")),
        again("pages of subscribers", "subscriber", 1, _pages("/earnings", "/consent", "/inbox", "/profile")),
        again("pages of finance", "finance", 2, _pages("/finance", "/finance/payments", "/finance/exceptions")),
        again("pages of stewards", "steward", 2, _pages("/start", "/steward/datasets", "/steward/offers", "/partners")),
        again("refused passwords", "", 2, _guess),
        again("purchases", "partner", max(seconds / PURCHASES, 5), buy),
    )
    visitor = Visitor(base)
    visitor.http.timeout = httpx.Timeout(ANSWERS_WITHIN_SECONDS)
    async with visitor.http:
        await visitor.submit("/sign-in", f"/demo/sign-in/{PARTNER.email}")
        until = time.monotonic() + SETTLES_WITHIN_SECONDS
        while not all(paid.values()) and time.monotonic() < until:
            for order in [order for order, is_licence in paid.items() if not is_licence]:
                paid[order] = "/download?format=" in await visitor.see(order)
            await asyncio.sleep(1)
    return counts, memory, paid


def _resident(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


async def _answers(base: str, demo: subprocess.Popen[bytes]) -> None:
    """Wait until the demo answers; refuse to wait for one that ended."""
    async with httpx.AsyncClient(base_url=base) as http:

        async def is_healthy() -> bool:
            assert demo.poll() is None, "the demo ended before it answered"
            with contextlib.suppress(httpx.TransportError):
                return (await http.get("/healthz")).is_success
            return False

        await until(is_healthy, STARTS_WITHIN_SECONDS, pause=1)


def _pages(*paths: str) -> Story:
    """Return the story of somebody who opens these pages in turn, whichever of them they may."""
    turn = itertools.cycle(paths)

    async def look(visitor: Visitor) -> None:
        answer = await visitor.http.get(f"/en{next(turn)}")
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, (answer.url, answer.status_code)

    return look


async def _look(visitor: Visitor) -> None:
    for path in ("/", "/catalogue", "/auctions", "/docs", "/help", "/status"):
        await visitor.see(path)
    for path in DATASET_PAGE.findall(await visitor.see("/catalogue")):
        await visitor.see(path)


async def _guess(visitor: Visitor) -> None:
    page = visitor.form(await visitor.see("/sign-in"), "/sign-in")
    answer = await visitor.http.post(
        page[0], data=page[1] | {"email": "nobody@example.com", "password": "not this one"}
    )
    assert httpx.codes.is_client_error(answer.status_code), answer.status_code


async def _buy(visitor: Visitor) -> str:
    """Quote, order and pay the first dataset's release; return the order's path."""
    dataset = DATASET_PAGE.findall(await visitor.see("/catalogue"))[0]
    quoted = await visitor.resend(visitor.form(await visitor.see(dataset), f"{dataset}/quotes"))
    order = visitor.form(quoted.text, "/orders")
    sent = await visitor.http.post(
        order[0], data=order[1] | {"street": "1 rue Longue", "city": "Lyon", "reason": "x"}, follow_redirects=False
    )
    address = sent.headers["location"]
    while found := ORDER.search(address):  # Stripe was not asked in time: the order's own page asks again
        action, hidden = visitor.form(await visitor.see(found[0]), "/pay")
        answer = await visitor.http.post(action, data=hidden, follow_redirects=False)
        address = answer.headers["location"]
    shown = await pay_hosted_page(address)
    found = ORDER.search(shown)
    assert found, shown
    return found[0]
