"""Facts that get into the public log a second, against bare inserts of the same bytes, in the same run; and a proof's size.

`python3 tests bench log` prints `log appends RATIO` (facts stated by 16 writers, each in a transaction of its own, until the
last one is under a published head: tiles, signature and all; over the same writers' bare inserts of the same statements),
`log sequencing RATIO` (giving waiting facts their places and publishing them, over one bare INSERT of the same rows per
batch) and `log proof RATIO` (a receipt's proof over 4 KiB), with its bytes. PostgreSQL syncs every commit.
"""

import asyncio
import datetime as dt
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import get_signed_receipt
from marketplace.core import clock, database
from marketplace.core.facts.actions import state_fact
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.actions import keep_log
from marketplace.oversight.public_log.proofs import prove_entry, prove_item
from tests.benchmarks._bench import Run

WRITERS = 16
SIZE, SMALLEST = 4_000, 16
"""Facts."""
ROUNDS = 3
STATEMENT = {"root": "ab" * 32, "bids": 17}


def main(run: Run) -> None:
    """Run it; the peer is PostgreSQL itself."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run))


async def _measure(run: Run) -> None:
    await database.execute(
        "CREATE TABLE bare (id bigserial PRIMARY KEY, kind text, subject text, statement jsonb, at timestamptz, UNIQUE (kind, subject))"
    )
    await keep_log()
    numbers = itertools.count()

    async def bare() -> None:
        async with database.transaction():
            sql = "INSERT INTO bare (kind, subject, statement, at) VALUES ('auction_closed', $1, $2, now())"
            await database.execute(sql, f"bare {next(numbers)}", '{"bids":17,"root":"' + "ab" * 32 + '"}')

    async def stated() -> None:
        async with database.transaction():
            await state_fact("auction_closed", f"auction {next(numbers)}", STATEMENT)

    found: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):
        plain = await _timed(bare, run.size)
        writing = await _timed(stated, run.size)
        began = time.perf_counter()
        await keep_log()
        found.append((plain, writing, time.perf_counter() - began))
    plain, writing, logging = min(found, key=lambda one: (one[1] + one[2]) / one[0])
    whole = writing + logging
    facts = run.size
    run.figure(
        "appends",
        f"{plain / whole:.2f}",
        f"of bare inserts: {facts / whole:,.0f} a second until under a published head, "
        f"{facts / plain:,.0f} bare inserts a second, {facts:,} facts, {WRITERS} writers",
    )
    faster = f"times as fast as the bare inserts: {facts / logging:,.0f} facts a second"
    run.figure("sequencing", f"{plain / logging:.2f}", faster)
    await _measure_proof(run)


async def _timed(work: Callable[[], Awaitable[None]], times: int) -> float:
    """Return the seconds in which the writers do it so many times."""

    async def write() -> None:
        for _ in range(times // WRITERS):
            await work()

    began = time.perf_counter()
    await asyncio.gather(*(asyncio.create_task(write()) for _ in range(WRITERS)))
    return time.perf_counter() - began


async def _measure_proof(run: Run) -> None:
    """Print how large a proof is: of an entry, and of one receipt of a day of ten thousand."""
    await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    await consent.publish_notice("presence.statistics", text_fr="On compte.", text_en="We count.")
    people = list(range(run.size * 5 // 2))
    await database.copy_in("subscriber", ["reference"], [(who,) for who in people])
    await consent.give_many("presence.statistics", people, clock.now())
    receipt = await database.fetch_scalar(uuid.UUID, "SELECT receipt FROM consent_record LIMIT 1")
    assert receipt
    with clock.shifted(dt.timedelta(days=1) + rules.SETTLED):
        began = time.perf_counter()
        await keep_log()
        seconds = time.perf_counter() - began
    document, _ = await get_signed_receipt(receipt)
    began = time.perf_counter()
    proof = await prove_item("consent_receipts", str(receipt), document)
    milliseconds = (time.perf_counter() - began) * 1000
    entry = await prove_entry(5)
    run.figure(
        "proof",
        f"{len(proof) / 4096:.2f}",
        f"of 4 KiB: {len(proof):,} bytes of a receipt, made in {milliseconds:.0f} ms; {len(entry):,} bytes of an entry "
        f"among {ROUNDS * run.size + 8:,}; a day of {len(people):,} receipts logged in {seconds:.1f} s",
    )
