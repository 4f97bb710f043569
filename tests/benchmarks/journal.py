"""Posting a day of sales into the books, against COPY of the same rows into the same tables.

`python3 tests bench journal` prints `journal post RATIO …`: how many times as fast as that COPY the day is posted, by the
verb that every slice posts with, in pieces as a job hands them over. Both write entries and postings with the tables'
indexes, keys and triggers, into databases of their own, in turns. JOURNAL_SALES=1000000 measures a large day.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.reads import fetch_value

if TYPE_CHECKING:
    from marketplace.ledger.actions import Entry

SALES, PIECE, ROUNDS = 100_000, 10_000, 3
FLOOR = 0.4


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for the peer is the database's own COPY."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    sales = int(os.environ.get("JOURNAL_SALES", str(SALES)))
    posted, copied = [], []
    with tempfile.TemporaryDirectory(prefix="partage-journal-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        settings.cache_clear()
        with EmbeddedPostgres(Path(folder)) as server:
            for number in range(ROUNDS):
                for work, seconds in ((_post, posted), (_copy, copied)):
                    name = f"{work.__name__.strip('_')}_{number}"
                    server.run_sql(f"CREATE DATABASE {name} OWNER partage")
                    seconds.append(asyncio.run(_measure(server.url(name), work, sales)))
                    server.run_sql(f"DROP DATABASE {name}")
    ratio = min(copied) / min(posted)
    print(
        f"journal post {ratio:.2f} × COPY of the same rows into the same tables, {sales} sales "
        f"({min(posted):.2f} s, {sales / min(posted):.0f} a second; COPY {min(copied):.2f} s)"
    )
    if ratio < FLOOR:
        sys.exit(f"Posting must be at least {FLOOR} × COPY.")


async def _measure(url: str, work: object, sales: int) -> float:
    """Return the seconds that a day takes in an empty database, and stop unless it is in the books to the cent."""
    from marketplace import database  # noqa: PLC0415
    from marketplace.ledger import chart  # noqa: PLC0415
    from marketplace.ledger.queries import balance  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415

    await database.open_pool(url)
    try:
        await migrate()
        day = make_day(sales)
        start = time.perf_counter()
        await work(day)  # type: ignore[operator]
        seconds = time.perf_counter() - start
        whole = sum(amount for entry in day for _, _, amount in entry.postings)
        assert await balance(chart.PARTNERS) == whole
        assert await fetch_value("SELECT count(*) FROM posting") == 2 * sales
    finally:
        await database.close_pool()
    return seconds


def make_day(sales: int) -> list[Entry]:
    """Make the entries of a day of sales, each with its VAT."""
    from marketplace.ledger import chart  # noqa: PLC0415
    from marketplace.ledger.actions import Entry  # noqa: PLC0415

    start = dt.datetime(2026, 11, 20, 6, tzinfo=dt.UTC)
    text, made = "Sale of a licence", []
    for number in range(sales):
        net = 1_000 + number % 90_000
        moves = [
            (chart.PARTNERS, chart.LICENCES_SOLD, net),
            (chart.PARTNERS, chart.VAT_COLLECTED, (net * 20 + 50) // 100),
        ]
        at = start + dt.timedelta(milliseconds=number % 40_000_000)
        made.append(Entry("sale", str(uuid.uuid4()), at, text, moves))
    return made


async def _post(day: list[Entry]) -> None:
    from marketplace.ledger.actions import record_all  # noqa: PLC0415

    for start in range(0, len(day), PIECE):
        assert len(await record_all(day[start : start + PIECE])) == len(day[start : start + PIECE])


async def _copy(day: list[Entry]) -> None:
    """COPY the same rows, piece by piece as well, with entries numbered by hand."""
    from marketplace.database import copy_in, transaction  # noqa: PLC0415

    for start in range(0, len(day), PIECE):
        piece = list(enumerate(day[start : start + PIECE], start + 1))
        async with transaction():
            await copy_in(
                "journal_entry",
                ("id", "kind", "source_id", "at", "recorded_at", "currency", "text"),
                [(key, each.kind, each.source_id, each.at, each.at, each.currency, each.text) for key, each in piece],
            )
            await copy_in(
                "posting",
                ("entry", "debit", "credit", "amount_minor"),
                [(key, *moved) for key, each in piece for moved in each.postings],
            )


if __name__ == "__main__":
    sys.exit("Run it as: python3 tests bench journal")
