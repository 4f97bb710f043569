"""Ten years of books at size: the trial balance, and a FEC of the last year.

`python3 tests bench books` prints `books trial-balance MS …`, the middle of some readings of the page's own query (it
must be 50 at most), `books page MS …`, the slowest of all pages that finance reads over these books (50 at most, too), and
`books fec MB …`, the memory of this process while a FEC is written and checked (300 at most). `--size 30000000` has ten
years of postings, 10 million lines of FEC in the last.
"""

import datetime as dt
import statistics
import time
import uuid

from marketplace.core import database
from marketplace.finance.bookkeeping.export_files import request_export, write_exports
from marketplace.finance.bookkeeping.queries import list_exports
from marketplace.money.ledger.queries import trial_balance
from marketplace.people.identity.actors import Actor
from tests.benchmarks._bench import Marketplace, Run, peak_gb
from tests.people.builders import add_staff
from tests.support.day_sums import FILL_DAY_SUMS
from tests.support.reads import fetch_value

SIZE, SMALLEST = 300_000, 2_000
"""Postings."""
READINGS = 9
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


def main(run: Run) -> None:
    """Run it; the bounds are what people wait for and what a machine has."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run, place))


async def _measure(run: Run, place: Marketplace) -> None:
    entries = run.size // 2
    place.run_sql(LOAD.format(entries=entries, early=entries * 7 // 9))
    start = time.perf_counter()
    async with database.transaction():
        await database.execute_long(FILL_DAY_SUMS)
    filled = time.perf_counter() - start
    await database.execute_long("ANALYZE")
    readings = []
    for _ in range(READINGS):
        start = time.perf_counter()
        rows = await trial_balance()
        readings.append((time.perf_counter() - start) * 1000)
    assert sum(row.debit_minor for row in rows) == await fetch_value("SELECT sum(amount_minor) FROM posting")
    middle = statistics.median(readings)
    run.figure("trial-balance", f"{middle:.1f}", f"ms, {run.size} postings of ten years (sums made in {filled:.1f} s)")
    lines, seconds = await _write_fec()
    most = peak_gb() * 1000
    run.figure("fec", f"{most:.0f}", f"MB of memory at most, {lines} lines written and checked in {seconds:.0f} s")
    from tests.benchmarks import _finance_pages  # noqa: PLC0415 (the site, which is not in the memory of a FEC)

    entry = await fetch_value("SELECT max(id) FROM journal_entry")
    subjects = {"entry_id": entry, "code": "411000"}
    run.require(middle <= MOST_MS, f"The trial balance has {MOST_MS} ms.")
    run.require(most <= MOST_MB, f"A FEC has {MOST_MB} MB.")
    await _finance_pages.read_pages(run, subjects, f"{run.size} postings")


async def _write_fec() -> tuple[int, float]:
    """Ask for the last year's FEC as a clerk does and let the job write it; return its lines and seconds."""
    days = {"first_day": dt.date(LAST_YEAR, 1, 1), "last_day": dt.date(LAST_YEAR, 12, 31)}
    start = time.perf_counter()
    clerk = await add_staff("fin@people.example", "Nora", "finance", "a rather long sentence")
    await request_export(uuid.uuid4(), Actor("Nora", clerk), file_format="fec", **days)
    assert await write_exports() == 1
    [export] = await list_exports()
    assert export.state == "done", export
    return export.lines_written, time.perf_counter() - start
