"""A person's copy of ten years: how much of the promised minute it needs, and how much memory.

`python3 tests bench copy` prints `copy minute RATIO …`: sixty seconds over the time of writing the whole zip, and
`copy memory MB …`: the most that Python had allocated meanwhile. The person has ten years of weekly consents and
withdrawals, three messages a day, and a share of each of COPY_SALES licences of COPY_RELEASES releases.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uuid

RELEASES, SALES = int(os.environ.get("COPY_RELEASES", "120")), int(os.environ.get("COPY_SALES", "1200"))


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for there is none."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="partage-copy-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        with EmbeddedPostgres(Path(folder)) as server:
            os.environ["DATABASE_URL"] = server.url()
            settings.cache_clear()
            asyncio.run(_measure())


async def _measure() -> None:
    from marketplace import database  # noqa: PLC0415
    from marketplace.rights.copies import write_copy  # noqa: PLC0415
    from marketplace.settings import settings  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415

    await database.open_pool(settings().database_url)
    await migrate()
    person = await _live_ten_years()
    seconds, most, size = [], 0, 0
    for traced in (False, True):
        if traced:
            tracemalloc.start()
        start = time.perf_counter()
        with await write_copy(person) as file:
            seconds.append(time.perf_counter() - start)
            size = file.seek(0, os.SEEK_END)
        most = tracemalloc.get_traced_memory()[1] if traced else 0
    await database.close_pool()
    print(f"copy minute {60 / seconds[0]:.1f} a minute over the copy's {seconds[0]:.2f} s, {size / 1e6:.1f} MB of zip")
    print(f"copy memory {most / 1e6:.1f} MB at most, {SALES} shares of {RELEASES} releases")
    sys.stdout.flush()


async def _live_ten_years() -> uuid.UUID:
    from marketplace.contributions.actions import index_contributions  # noqa: PLC0415
    from marketplace.database import execute  # noqa: PLC0415
    from marketplace.earnings.actions import hold_shares  # noqa: PLC0415
    from marketplace.identity import actions as identity  # noqa: PLC0415
    from tests.marketplace.earnings import sales  # noqa: PLC0415

    await sales.open_shop(unclaimed={1})
    now = dt.datetime.now(dt.UTC)
    for number in range(RELEASES):
        release = await sales.make_release({1: 1, 2: 1, 3: 1}, started_at=now - dt.timedelta(days=60 + 30 * number))
        for _ in range(SALES // RELEASES):
            await sales.make_sale(release, 1000, fee=0, sold_at=now - dt.timedelta(days=1 + number))
    await hold_shares()
    await index_contributions()
    [(_, code)] = await identity.issue_activation_codes([1])
    person = await identity.claim_line(1, code, email="zoe@x.example", name="Zoé", password="a rather long sentence")
    await execute(
        """INSERT INTO consent_record (subscriber, purpose, notice, given, at, receipt)
           SELECT 1, 'presence.statistics', (SELECT id FROM notice), week % 2 = 0, now() - week * interval '1 week',
                  gen_random_uuid() FROM generate_series(1, 520) AS week"""
    )
    await execute(
        """INSERT INTO message (id, kind, source_id, audience, recipient, details, created_at)
           SELECT gen_random_uuid(), 'new_device', n::text, 'person', $1, '{"at": "2026-01-01 12:00"}',
                  now() - n * interval '8 hours' FROM generate_series(1, 10950) AS n""",
        str(person),
    )
    return person


if __name__ == "__main__":
    main()
