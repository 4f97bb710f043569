"""`lines`: a country's table of lines ingested, and the consents of all of them imported, in time and memory.

`python3 tests bench lines` prints for `ingest --subscribers` and for `consents import`: the time a line of LINES (or
LINES_PEOPLE) over that of a quarter of them, which is 1 where it is linear, and what both took. Each runs in a process of
its own, whose memory is its own; the database's is bounded by its settings.
"""

# ruff: noqa: PLC0415 (each part runs in its own process and imports what it needs)
from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run with -P: our own folder has a copy.py, which is not the standard library's

LINES = 4_000_000
PURPOSE = "presence.statistics"
SINCE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PARTS = {
    "ingest": "`ingest --subscribers`, all lines new",
    "again": "`ingest --subscribers` of a file of all lines but one",
    "consents": "`consents import`, a consent of every line",
    "known": "`consents import` of the same again",
}


def main(*, peers: bool = False) -> None:
    """Print a line a figure; it has no peers."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres

    lines = int(os.environ.get("LINES_PEOPLE", str(LINES)))
    with tempfile.TemporaryDirectory(prefix="partage-lines-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            server.run_sql("CREATE DATABASE quarter OWNER partage")
            quarter = _measured(server.url("quarter"), lines // 4, Path(folder) / "quarter")
            whole = _measured(server.url(), lines, Path(folder) / "whole")
    name, least = f"{lines / 1e6:g}M", f"{lines / 4e6:g}M"
    for part, what in PARTS.items():
        (few, less), (seconds, memory) = quarter[part], whole[part]
        print(
            f"lines {part} {seconds / few / 4:.2f} × the time a line of {least}, {what}: {seconds:.1f} s and {memory:.2f} GB "
            f"for {name}, {few:.1f} s and {less:.2f} GB for {least}"
        )


def _measured(url: str, lines: int, folder: Path) -> dict[str, tuple[float, float]]:
    """Return what each part takes of so many lines, in seconds and GB."""
    folder.mkdir()
    _write(lines, folder)
    environment = os.environ | {"DATABASE_URL": url, "PARTAGE_STATE": str(folder / "state"), "PARTAGE_OBJECTS": ""}
    found = {}
    for part in ("migrate", *PARTS):
        process = subprocess.run(
            [sys.executable, "-P", __file__, part, str(folder)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found[part] = tuple(json.loads(process.stdout.splitlines()[-1]))
        print(f"# {part} of {lines:,}: {found[part][0]:.1f} s, {found[part][1]:.2f} GB", file=sys.stderr, flush=True)
    return found


def _write(lines: int, folder: Path) -> None:
    """Write the operator's files: every line's band and home, and its consent."""
    import h3
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(3)
    references = random.permutation(np.arange(1, lines + 1, dtype=np.int64))
    homes = sorted(h3.grid_disk(h3.latlng_to_cell(45.76, 4.84, 7), 20))
    bands = ["18-39", "40-64", "65+"]
    columns = {
        "subscriber_id": references,
        "age_band": pa.DictionaryArray.from_arrays(random.integers(0, len(bands), lines), pa.array(bands)),
        "home_zone": pa.DictionaryArray.from_arrays(random.integers(0, len(homes), lines), pa.array(homes)),
    }
    people = pa.table(columns)
    pq.write_table(people, folder / "people.parquet")
    pq.write_table(people.slice(1), folder / "again.parquet")
    instants = np.datetime64("2026-02-01", "us") + np.arange(lines)  # a microsecond after another
    consents = {
        "reference": references,
        "purpose": pa.repeat(PURPOSE, lines),
        "notice_version": np.ones(lines, np.int64),
        "word": pa.repeat("given", lines),
        "at": pa.array(instants, pa.timestamp("us", "UTC")),
        "channel": pa.repeat("shop", lines),
    }
    pq.write_table(pa.table(consents), folder / "consents.parquet")


async def _run(part: str, folder: Path) -> float:
    """Run one part on the database of the settings; return its seconds."""
    from marketplace import database
    from marketplace.consent import actions as consent
    from marketplace.datasets.ingestion import ingest_files
    from marketplace.operators.consent_files import import_consents
    from marketplace.settings import settings
    from migrations.runner import migrate

    await database.open_pool(settings().database_url)
    start = time.perf_counter()
    try:
        if part == "migrate":
            await migrate()
            await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
            await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.", at=SINCE)
        elif part in {"ingest", "again"}:
            done = await ingest_files(subscribers=str(folder / f"{'people' if part == 'ingest' else 'again'}.parquet"))
            assert done.lines
            assert (done.lines.new > 0) == (part == "ingest")
        else:
            recorded = await import_consents(str(folder / "consents.parquet"))
            assert recorded.given == (recorded.rows if part == "consents" else 0)
        return time.perf_counter() - start
    finally:
        await database.close_pool()


if __name__ == "__main__":
    spent = asyncio.run(_run(sys.argv[1], Path(sys.argv[2])))
    print(json.dumps([spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))
