"""Attack: ask for dry runs, which cost nothing, until they reveal who consented, where people were or who is in a release.

Two marketplaces share the operator's table and all that was noised. They differ in every event, every consent and every
contribution. Page and command answer both the same, to the byte.
"""

import asyncio
import datetime as dt
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from marketplace.consent.purposes.actions import give_many, withdraw
from marketplace.core import object_store
from marketplace.core.database import copy_in
from marketplace.datasets.releases.ingestion import ingest_events
from tests.catalogue.builders import open_catalogue, seal_week
from tests.consent.builders import PURPOSE
from tests.datasets.builders import BANDS, LONG_AGO, START, ZONES, events_table, write
from tests.people.builders import PASSWORD, Browser, add_staff
from tests.support.owner import as_owner
from tests.support.production import OPERATORS_OWN

ROOT = Path(__file__).resolve().parents[2]
LINES = range(1, 2_001)
ASKED = ("2026-03-23", "2026-03-29")


async def dry_run_shown() -> str:
    """Return what the page shows."""
    async with Browser() as sam:
        await sam.sign_in("sam@partage.example")
        page = await sam.get(f"/en/steward/datasets/lyon/dry-run?first_day={ASKED[0]}&last_day={ASKED[1]}")
    assert page.status_code == 200
    main = re.search(r"<main.*</main>", page.text, re.DOTALL)
    assert main
    assert "Side by side" in main[0]
    return main[0]


async def printed() -> str:
    """Return what the command prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "marketplace",
        "dry-run",
        "lyon",
        "--from",
        ASKED[0],
        "--to",
        "2026-03-30",
        cwd=ROOT,
        env=os.environ | OPERATORS_OWN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    answer, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return answer.decode()


@pytest.mark.long
async def test_marketplaces_that_differ_in_secrets_alone_have_the_same_dry_run(tmp_path: Path) -> None:
    await open_catalogue()
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    await copy_in("subscriber", ["reference"], [(who,) for who in LINES])
    release = await seal_week(consenting=700, population=2_000, published_people=900)
    await as_owner("ALTER TABLE coverage DISABLE TRIGGER USER")
    for band, consenting in zip(BANDS, (250, 450), strict=True):
        await as_owner(f"UPDATE coverage SET consenting = {consenting} WHERE name = '{band}'")
    await as_owner("ALTER TABLE coverage ENABLE TRIGGER USER")
    files = write(tmp_path, [(who, START, ZONES[0]) for who in LINES], LINES)
    await ingest_events(subscribers=files["subscribers"])
    nobody_seen, without = await dry_run_shown(), await printed()

    await ingest_events(events=files["events"])
    await give_many(PURPOSE, list(LINES), LONG_AGO)
    crowded = await dry_run_shown()

    elsewhere = [(who, START + dt.timedelta(hours=who % 24), ZONES[who % 7]) for who in LINES if who % 3]
    pq.write_table(events_table(elsewhere), tmp_path / "events.parquet")
    await ingest_events(events=files["events"], replace=True)
    for who in LINES[:40]:
        await withdraw(who, PURPOSE)
    await object_store.put(object_store.private_key(release, "manifest.parquet"), b"another one")
    assert nobody_seen == crowded == await dry_run_shown()
    assert without == await printed()
