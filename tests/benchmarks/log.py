"""Facts that get into the public log a second, against bare inserts of the same bytes, in the same run; and a proof's size.

`python3 tests bench log` prints `log appends RATIO` (facts stated by 16 writers, each in a transaction of its own, until the
last one is under a published head: tiles, signature and all; over the same writers' bare inserts of the same statements),
`log sequencing RATIO` (giving waiting facts their places and publishing them, over one bare INSERT of the same rows per
batch) and `log proof RATIO` (a receipt's proof over 4 KiB), with its bytes. PostgreSQL syncs every commit.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WRITERS = 16
FACTS = 4_000
ROUNDS = 3
STATEMENT = {"root": "ab" * 32, "bids": 17}


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for the peer is PostgreSQL itself."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="partage-log-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        settings.cache_clear()
        with EmbeddedPostgres(Path(folder)) as server:
            asyncio.run(_measure(server.url()))


async def _measure(url: str) -> None:
    from marketplace import database  # noqa: PLC0415
    from marketplace.log.actions import state_fact  # noqa: PLC0415
    from marketplace.transparency.actions import keep_log  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415

    await database.open_pool(url)
    await migrate()
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
        plain = await _timed(bare)
        writing = await _timed(stated)
        began = time.perf_counter()
        await keep_log()
        found.append((plain, writing, time.perf_counter() - began))
    plain, writing, logging = min(found, key=lambda one: (one[1] + one[2]) / one[0])
    whole = writing + logging
    print(
        f"log appends {plain / whole:.2f} of bare inserts: {FACTS / whole:,.0f} a second until under a published head, "
        f"{FACTS / plain:,.0f} bare inserts a second, {FACTS:,} facts, {WRITERS} writers"
    )
    print(
        f"log sequencing {plain / logging:.2f} times as fast as the bare inserts: {FACTS / logging:,.0f} facts a second"
    )
    await _measure_proof()
    await database.close_pool()


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    """Return the seconds in which the writers do it FACTS times."""

    async def write() -> None:
        for _ in range(FACTS // WRITERS):
            await work()

    began = time.perf_counter()
    await asyncio.gather(*(asyncio.create_task(write()) for _ in range(WRITERS)))
    return time.perf_counter() - began


async def _measure_proof() -> None:
    """Print how large a proof is: of an entry, and of one receipt of a day of ten thousand."""
    import datetime as dt  # noqa: PLC0415

    from marketplace import clock  # noqa: PLC0415
    from marketplace.consent import actions as consent  # noqa: PLC0415
    from marketplace.consent.queries import get_signed_receipt  # noqa: PLC0415
    from marketplace.database import copy_in, fetch_scalar  # noqa: PLC0415
    from marketplace.transparency.actions import keep_log  # noqa: PLC0415
    from marketplace.transparency.proofs import prove_entry, prove_item  # noqa: PLC0415

    await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    await consent.publish_notice("presence.statistics", text_fr="On compte.", text_en="We count.")
    people = list(range(10_000))
    await copy_in("subscriber", ["reference"], [(who,) for who in people])
    await consent.give_many("presence.statistics", people, clock.now())
    receipt = await fetch_scalar(uuid.UUID, "SELECT receipt FROM consent_record LIMIT 1")
    assert receipt
    with clock.shifted(dt.timedelta(days=1)):
        began = time.perf_counter()
        await keep_log()
        seconds = time.perf_counter() - began
    document, _ = await get_signed_receipt(receipt)
    began = time.perf_counter()
    proof = await prove_item("consent_receipts", str(receipt), document)
    milliseconds = (time.perf_counter() - began) * 1000
    entry = await prove_entry(5)
    print(
        f"log proof {len(proof) / 4096:.2f} of 4 KiB: {len(proof):,} bytes of a receipt, made in {milliseconds:.0f} ms; "
        f"{len(entry):,} bytes of an entry among {ROUNDS * FACTS + 8:,}; a day of 10,000 receipts logged in {seconds:.1f} s"
    )
