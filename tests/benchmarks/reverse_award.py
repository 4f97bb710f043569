"""The award of a reverse auction: a million sealed asks in one stratum, against a bare COPY of as many rows in the same run.

`python3 tests bench reverse_award` prints `reverse_award award RATIO …`: opening, pricing and writing every outcome and promise, over what
COPY takes to write the asks' own rows; `reverse_award floor RATIO …`: the same over what nothing can go below, opening the asks on
two cores with the bare library and a COPY of the outcomes; and `reverse_award memory MB …`: the process's peak.
"""

import datetime as dt
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from marketplace.core import clock, database, sealing
from marketplace.core.sealing import SUITE
from marketplace.core.settings import settings
from marketplace.sales.auctions import reverse_actions, reverse_rules
from marketplace.sales.auctions.reverse_award import award_auctions
from tests.benchmarks._bench import Run, peak_gb, remark
from tests.catalogue.builders import charge_at_least
from tests.sales.builders.auctions import make_offer
from tests.support.reads import fetch, fetch_value

SIZE, SMALLEST = 1_000_000, 1_000
"""Asks."""
SEALED_APART = 500
"""Different amounts; everybody's is sealed for their own row all the same."""


def main(run: Run) -> None:
    """Run it; the peer is PostgreSQL itself."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run))


async def _measure(run: Run) -> None:
    people = run.size
    await make_offer()
    await charge_at_least(10**12)
    now, hours = clock.now(), dt.timedelta(hours=3)
    await database.execute("INSERT INTO subscriber (reference) SELECT generate_series(0, $1::bigint - 1)", people)
    call = await reverse_actions.announce(
        "new-york",
        [reverse_rules.Stratum("Tous", "All", people // 3, 10**15, 900_000)],
        timing=reverse_rules.Timing(now, now + hours, now + hours, now + dt.timedelta(days=90)),
        by="Steward",
    )
    stratum = await fetch_value("SELECT id FROM reverse_auction_stratum")
    key = sealing.public_key(settings().bid_key)

    def rows() -> Iterator[tuple[object, ...]]:
        for who in range(people):
            row = reverse_rules.ask_id(call, who)
            least = 1_000 * (who * 7_919 % SEALED_APART)
            sealed = sealing.seal({"least_micro": least}, row, key, padded_to=reverse_actions.PADDED_TO_BYTES)
            yield row, stratum, call, who, sealed, now

    columns = ("id", "stratum", "auction", "subscriber", "sealed", "asked_at")
    coming = rows()
    while piece := list(itertools.islice(coming, 50_000)):  # In pieces: sealing them all outlasts a command's timeout.
        await database.copy_in("reverse_auction_ask", columns, piece)
    await database.execute("VACUUM ANALYZE reverse_auction_ask")
    remark(f"{people} asks sealed")
    floor = await _floor(people)
    await database.execute("CREATE TABLE bare (LIKE reverse_auction_ask)")
    asks = [tuple(row) for row in await fetch(f"SELECT {', '.join(columns)} FROM reverse_auction_ask LIMIT 200000")]
    start_at = time.perf_counter()
    await database.copy_in("bare", columns, asks)
    bare = (time.perf_counter() - start_at) * people / len(asks)
    del asks
    await database.execute("DROP TABLE bare")
    await database.execute("ALTER TABLE reverse_auction DISABLE TRIGGER only_forward")
    await database.execute("UPDATE reverse_auction SET closes_at = clock_timestamp(), promise_from = clock_timestamp()")
    await database.execute("ALTER TABLE reverse_auction ENABLE TRIGGER only_forward")
    start_at = time.perf_counter()
    assert await award_auctions() == 1
    seconds = time.perf_counter() - start_at
    promised = await fetch_value("SELECT count(*) FROM contributor_promise")
    run.figure(
        "award",
        f"{seconds / bare:.1f}",
        f"× a bare COPY of as many asks ({people} asks opened, priced and answered in {seconds:.1f} s, "
        f"{promised} promises written; COPY {bare:.1f} s)",
    )
    opening = f"× opening them on two cores with the bare library + COPY ({floor:.1f} s)"
    run.figure("floor", f"{seconds / floor:.2f}", opening)
    run.figure("memory", f"{1000 * peak_gb():.0f}", f"MB at the process's peak, for {people} asks")


async def _floor(people: int) -> float:
    """Return the seconds of opening so many asks in two processes with nothing around it, and of a COPY of outcomes."""
    some = min(people, 100_000)
    rows = [(row[0].bytes, row[1]) for row in await fetch("SELECT id, sealed FROM reverse_auction_ask LIMIT $1", some)]
    key, half = settings().bid_key, some // 2
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(_open_bare, [rows[:10], rows[:10]], [key, key]))  # the processes are there
        began = time.perf_counter()
        spent = list(pool.map(_open_bare, [rows[:half], rows[half:]], [key, key]))
        opening = time.perf_counter() - began
    assert max(spent) <= opening
    await database.execute("CREATE TABLE outcome_of (subscriber BIGINT, reason BIGINT)")
    columns = {"subscriber": np.arange(people), "reason": np.ones(people, dtype=np.int64)}
    began = time.perf_counter()
    async with database.transaction():
        await database.copy_columns("outcome_of", columns)
    copying = time.perf_counter() - began
    await database.execute("DROP TABLE outcome_of")
    return max(spent) * people / some + copying


def _open_bare(rows: list[tuple[bytes, bytes]], key: str) -> float:
    """Open sealed asks with the library alone; return the seconds."""
    opener = X25519PrivateKey.from_private_bytes(bytes.fromhex(key))
    began = time.perf_counter()
    for row, sealed in rows:
        SUITE.decrypt(sealed, opener, info=row)
    return time.perf_counter() - began
