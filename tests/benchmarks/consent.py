"""Consent at size: who consents at an instant, and a million words imported, against what the database does at least.

`python3 tests bench consent` prints `consent at RATIO …`, over one ordered scan of the same rows (the smaller the better),
and `consent import RATIO …`, of a bare COPY's speed (the larger the better). `--size 30000000` measures a country's;
at most a million words are imported, whatever the size.
"""

import datetime as dt
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.in_force import consent_in_force
from marketplace.core.database import copy_columns, copy_in, execute, execute_long, fetch_scalar
from marketplace.subscribers.operators.consent_files import import_consents
from tests.benchmarks._bench import Run

SIZE, SMALLEST = 300_000, 1_000
"""People."""
MOST_IMPORTED = 1_000_000
TRIGGER, RECEIPTS = "known_line_and_notice", "consent_record_receipt_key"
PURPOSE = "presence.statistics"
ROWS = """INSERT INTO consent_record (subscriber, purpose, notice, given, at, receipt, channel)
SELECT who, $1, (SELECT id FROM notice), turn % 2 = 0, $2::timestamptz + turn * interval '1 day', gen_random_uuid(), 'shop'
FROM generate_series(1, $3::bigint) AS who, generate_series(0, 2 * (who % 3)) AS turn"""
SCAN = """SELECT count(*) FROM (
    SELECT given FROM consent_record WHERE purpose = $1 ORDER BY subscriber, at, id OFFSET 0
) AS word WHERE given IS NOT NULL"""


def main(run: Run) -> None:
    """Run it; the peers are a scan and COPY themselves."""
    with run.marketplace() as place:
        place.play(lambda: _measure(run, place.folder), connections=1)


async def _measure(run: Run, folder: Path) -> None:
    people = run.size
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.", at=start)
    await copy_columns("subscriber", {"reference": np.arange(1, people + 1, dtype=np.int64)})
    await execute(f"ALTER TABLE consent_record DISABLE TRIGGER {TRIGGER}, DROP CONSTRAINT {RECEIPTS}")
    await execute_long(ROWS, PURPOSE, start, people)
    await execute_long(
        f"ALTER TABLE consent_record ENABLE TRIGGER {TRIGGER}, ADD CONSTRAINT {RECEIPTS} UNIQUE (receipt)"
    )
    await execute_long("ANALYZE")
    rows = await fetch_scalar(int, "SELECT count(*) FROM consent_record")

    async def at() -> None:
        assert len((await consent_in_force(PURPOSE, start + dt.timedelta(days=3))).lines)

    async def scan() -> None:
        await fetch_scalar(int, SCAN, PURPOSE)

    ours, least = [min([await _time(work) for _ in range(3)]) for work in (at, scan)]
    run.figure("at", f"{ours / least:.2f}", f"× one ordered scan, {people} people, {rows} rows, {ours:.2f} s")
    await _import(run, folder, min(people, MOST_IMPORTED), start + dt.timedelta(days=30))


async def _time(work: Callable[[], Awaitable[None]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def _import(run: Run, folder: Path, people: int, at: dt.datetime) -> None:
    """Import a word of each line from a Parquet file, and copy as many rows into the same table, its trigger off."""
    table = pa.table(
        {
            "reference": np.arange(1, people + 1, dtype=np.int64),
            "purpose": [PURPOSE] * people,
            "notice_version": np.ones(people, np.int64),
            "word": ["given"] * people,
            "at": pa.array([at] * people, pa.timestamp("us", tz="UTC")),
            "channel": ["shop"] * people,
        }
    )
    pq.write_table(table, folder / "words.parquet")
    begun = time.perf_counter()
    recorded = await import_consents(str(folder / "words.parquet"))
    ours = time.perf_counter() - begun
    assert recorded.given == people
    await execute(f"ALTER TABLE consent_record DISABLE TRIGGER {TRIGGER}")
    notice = await fetch_scalar(uuid.UUID, "SELECT id FROM notice")
    later = at + dt.timedelta(days=1)
    rows = [(who, PURPOSE, notice, True, later, uuid.uuid4(), "shop") for who in range(1, people + 1)]
    begun = time.perf_counter()
    await copy_in("consent_record", ("subscriber", "purpose", "notice", "given", "at", "receipt", "channel"), rows)
    copied = time.perf_counter() - begun
    run.figure(
        "import", f"{copied / ours:.2f}", f"of COPY's speed, {people} words, {ours:.2f} s against {copied:.2f} s"
    )
