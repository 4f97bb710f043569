"""`lines`: a country's table of lines ingested, and the consents of all of them imported, in time and memory.

`python3 tests bench lines` prints for `ingest --subscribers` and for `consents import`: the time a line of SIZE
over that of a quarter of them, which is 1 where it is linear, and what both took. Each runs in a process of
its own, whose memory is its own; the database's is bounded by its settings.
"""

import datetime as dt
import os
import time
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.consent.purposes import actions as consent
from marketplace.core.settings import settings
from marketplace.datasets.releases.ingestion import ingest_files
from marketplace.subscribers.operators.consent_files import import_consents
from tests.benchmarks._bench import Marketplace, Run, in_process_apart, new_database, play_on_database, remark

SIZE, SMALLEST = 4_000_000, 4_000
"""Lines."""
PURPOSE = "presence.statistics"
SINCE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
PARTS = {
    "ingest": "`ingest --subscribers`, all lines new",
    "again": "`ingest --subscribers` of a file of all lines but one",
    "consents": "`consents import`, a consent of every line",
    "known": "`consents import` of the same again",
}


def main(run: Run) -> None:
    """Print a line a figure; it has no peers."""
    with run.marketplace() as place, new_database(place.server) as other:
        quarter = _measured(place, other, run.size // 4)
        whole = _measured(place, place.url, run.size)
    least = f"{run.size / 4e6:g}M"
    for part, what in PARTS.items():
        (few, less), (seconds, memory) = quarter[part], whole[part]
        run.figure(
            part,
            f"{seconds / few / 4:.2f}",
            f"× the time a line of {least}, {what}: {seconds:.1f} s and {memory:.2f} GB for {run.millions}, "
            f"{few:.1f} s and {less:.2f} GB for {least}",
        )


def _measured(place: Marketplace, url: str, lines: int) -> dict[str, tuple[float, float]]:
    """Return what each part takes of so many lines, in seconds and GB."""
    folder = place.folder / f"{lines}"
    folder.mkdir()
    _write(lines, folder)
    os.environ["PARTAGE_STATE"] = str(folder / "state")
    settings.cache_clear()
    play_on_database(url, _publish)
    found = {}
    for part in PARTS:
        found[part] = seconds, memory = in_process_apart(_spend, url, part, folder)
        remark(f"{part} of {lines:,}: {seconds:.1f} s, {memory:.2f} GB")
    return found


def _write(lines: int, folder: Path) -> None:
    """Write the operator's files: every line's band and home, and its consent."""
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


async def _publish() -> None:
    await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.", at=SINCE)


def _spend(url: str, part: str, folder: Path) -> float:
    """Run one part on a database; return its seconds."""

    async def run() -> float:
        start = time.perf_counter()
        if part in {"ingest", "again"}:
            done = await ingest_files(subscribers=str(folder / f"{'people' if part == 'ingest' else 'again'}.parquet"))
            assert done.lines
            assert (done.lines.new > 0) == (part == "ingest")
        else:
            recorded = await import_consents(str(folder / "consents.parquet"))
            assert recorded.given == (recorded.rows if part == "consents" else 0)
        return time.perf_counter() - start

    return play_on_database(url, run)
