"""Ten years of books at size: the trial balance, and a FEC of the last year.

`python3 tests bench books` prints `trial balance MS …`, the middle of some readings of the page's own query (it must be
50 at most), `finance page MS …`, the slowest of all pages that finance reads over these books (50 at most, too), and
`fec MB …`, the memory of this process while a FEC is written and checked (300 at most). A third of
a million postings by default; BOOKS_POSTINGS=30000000 has ten years of them, 10 million lines of FEC in the last.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import resource
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

from tests.benchmarks import _finance_pages
from tests.support.reads import fetch_value

POSTINGS, READINGS = 300_000, 9
MOST_MS, MOST_MB = 50, 300
FIRST_YEAR, LAST_YEAR = 2016, 2025
LOAD = """
ALTER TABLE journal_entry DISABLE TRIGGER ALL;
ALTER TABLE posting DISABLE TRIGGER ALL;
INSERT INTO journal_entry (id, kind, source_id, at, recorded_at, currency, text)
SELECT number, 'sale', gen_random_uuid(), at, at, 'EUR', 'Sale of a licence'
FROM (
    SELECT number, CASE
        WHEN number > {early} THEN
            timestamptz '2025-01-02' + (number - {early}) * (interval '360 days' / ({entries} - {early}))
        ELSE timestamptz '2016-01-02' + number * (interval '3280 days' / {early})
    END AS at
    FROM generate_series(1, {entries}) AS number
) AS dated;
INSERT INTO posting (entry, debit, credit, amount_minor)
SELECT id, '411000', account, amount_minor
FROM journal_entry
CROSS JOIN LATERAL (VALUES ('706000', 1000 + id % 90000), ('445710', (1000 + id % 90000) / 5)) AS side (account, amount_minor);
ALTER TABLE journal_entry ENABLE TRIGGER ALL;
ALTER TABLE posting ENABLE TRIGGER ALL;
"""
"""A ninth of the time has two ninths of the sales: the last year is the large one."""


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing: the bounds are what people wait for and what a machine has."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    postings = int(os.environ.get("BOOKS_POSTINGS", str(POSTINGS)))
    with tempfile.TemporaryDirectory(prefix="partage-books-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        os.environ["STAFF_SECOND_FACTOR"] = "0"  # pages are opened as a clerk with a password alone
        settings.cache_clear()
        with EmbeddedPostgres(Path(folder)) as server:
            asyncio.run(_measure(server, postings))


async def _measure(server: object, postings: int) -> None:
    from marketplace import database  # noqa: PLC0415
    from marketplace.ledger.queries import trial_balance  # noqa: PLC0415
    from migrations.history.m0058_day_sums import FILL  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415

    url = server.url()  # type: ignore[attr-defined]
    entries = postings // 2
    await database.open_pool(url)
    await migrate()
    server.run_sql(LOAD.format(entries=entries, early=entries * 7 // 9), "partage")  # type: ignore[attr-defined]
    start = time.perf_counter()
    async with database.transaction():
        await database.execute_long(FILL)
    filled = time.perf_counter() - start
    await database.execute_long("ANALYZE")
    readings = []
    for _ in range(READINGS):
        start = time.perf_counter()
        rows = await trial_balance()
        readings.append((time.perf_counter() - start) * 1000)
    assert sum(row.debit_minor for row in rows) == await fetch_value("SELECT sum(amount_minor) FROM posting")
    middle = statistics.median(readings)
    print(f"trial balance MS {middle:.1f}, {postings} postings of ten years (sums made in {filled:.1f} s)", flush=True)
    lines, seconds = await _write_fec()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"fec MB {most:.0f} of memory at most, {lines} lines written and checked in {seconds:.0f} s")
    entry = await fetch_value("SELECT max(id) FROM journal_entry")
    subjects = {"entry_id": entry, "code": "411000"}
    are_fast = _finance_pages.report("finance page", *await _finance_pages.read_pages(subjects), f"{postings} postings")
    await database.close_pool()
    if middle > MOST_MS or most > MOST_MB or not are_fast:
        sys.exit(f"The trial balance and every page of finance have {MOST_MS} ms, and a FEC {MOST_MB} MB.")


async def _write_fec() -> tuple[int, float]:
    """Ask for the last year's FEC as a clerk does and let the job write it; return its lines and seconds."""
    from marketplace.bookkeeping.export_files import request_export, write_exports  # noqa: PLC0415
    from marketplace.bookkeeping.queries import list_exports  # noqa: PLC0415
    from marketplace.identity.actions import add_staff  # noqa: PLC0415
    from marketplace.identity.actors import Actor  # noqa: PLC0415

    days = {"first_day": dt.date(LAST_YEAR, 1, 1), "last_day": dt.date(LAST_YEAR, 12, 31)}
    start = time.perf_counter()
    clerk = await add_staff("fin@people.example", "Nora", "finance", "a rather long sentence")
    await request_export(uuid.uuid4(), Actor("Nora", clerk), file_format="fec", **days)
    assert await write_exports() == 1
    [export] = await list_exports()
    assert export.state == "done", export
    return export.lines_written, time.perf_counter() - start


if __name__ == "__main__":
    sys.exit("Run it as: python3 tests bench books")
