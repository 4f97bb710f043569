"""The subscriber's page of earnings at ten thousand sold releases against the same page at ten: first views, whole handler.

`python3 tests bench earnings` prints, on a folder and on an S3 server:
`earnings releases RATIO …`, the p99 of people's first views of the page at SIZE sold releases over that at
ten; `earnings page RATIO …`, the median of the page over one indexed read of what it needs to know: the person's
contributions from a table of PostgreSQL, a row for each, by its primary key; and `earnings gets N …`, the most objects
that a first view reads. Both shops are sold by the product's own sale, whose rows are then copied; manifests are real
objects, and the index is the job's.
"""

import contextlib
import datetime as dt
import functools
import io
import multiprocessing
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.core import clock, database, object_store
from marketplace.core.settings import settings
from marketplace.people.identity.guards import begin_session
from marketplace.site.app import create_app
from marketplace.site.serving.server import keep_loaded
from marketplace.subscribers.earnings.actions import hold_shares
from marketplace.subscribers.earnings.contribution_actions import index_contributions
from tests.benchmarks._bench import Run, new_database, p99, play_on_database
from tests.subscribers.builders import sales
from tests.support.reads import fetch, fetch_value
from tests.support.s3 import bucket

SIZE, SMALLEST, FEW = 10_000, 12, 10
"""Sold releases."""
PEOPLE = 1_300
"""Lines in each shop; each is in six of ten releases."""
MOST_VISITS = 216
"""People who see their page for the first time, in each shop and round."""
MOST_ROUNDS = 3
SALES = 7
"""Licences sold of each release, so that pages are full in both shops, and something is sold in every month of both."""
ALL: Final = dt.timedelta(days=5 * 365)
"""From the first sale to the last, evenly spread: pages have as many months however much was sold."""
HELD_FOR: Final = dt.timedelta(days=14)

COPIES = (
    """CREATE TEMPORARY TABLE released ON COMMIT PRESERVE ROWS AS
       SELECT n, CASE n WHEN 0 THEN (SELECT id FROM release) ELSE gen_random_uuid() END AS release
       FROM generate_series(0, $1::int - 1) AS n""",
    """CREATE TEMPORARY TABLE copied ON COMMIT PRESERVE ROWS AS
       SELECT sale, release, gen_random_uuid() AS quote, gen_random_uuid() AS purchase_order,
              gen_random_uuid() AS licence, $1::timestamptz - sale * $2::interval AS sold_at
       FROM generate_series(1, $3::int - 1) AS sale JOIN released ON n = sale / $4::int""",
    """INSERT INTO release SELECT (jsonb_populate_record(row, jsonb_build_object(
           'id', released.release, 'specification', released.release))).*
       FROM release AS row, released WHERE n > 0""",
    """INSERT INTO quote SELECT (jsonb_populate_record(row, jsonb_build_object(
           'id', copied.quote, 'release', copied.release))).*
       FROM quote AS row, copied""",
    """INSERT INTO purchase_order SELECT (jsonb_populate_record(row, jsonb_build_object(
           'id', copied.purchase_order, 'number', copied.licence))).*
       FROM purchase_order AS row, copied""",
    """INSERT INTO order_lot SELECT quote, purchase_order, 1 FROM copied""",
    """INSERT INTO licence SELECT (jsonb_populate_record(row, jsonb_build_object(
           'id', copied.licence, 'purchase_order', copied.purchase_order, 'quote', copied.quote, 'release', copied.release,
           'sold_at', copied.sold_at, 'hold_until', copied.sold_at + $1::interval))).*
       FROM licence AS row, copied""",
    """INSERT INTO share_run (kind, at, amount_minor) VALUES ('release', $1, 1)""",
    """INSERT INTO licence_split SELECT (jsonb_populate_record(row, jsonb_build_object('licence', copied.licence) ||
           CASE WHEN copied.sold_at + $1::interval > $2 THEN '{}'
           ELSE jsonb_build_object('state', 'released', 'ended_by', (SELECT max(id) FROM share_run)) END)).*
       FROM licence_split AS row, copied""",
)
"""Statements that copy the one sale there is: so many sales of each release, one after the other and all before it."""


@dataclass(frozen=True)
class S3:
    """A bucket for each shop, served by a process of its own, and the line to ask it how many objects were read so far."""

    environment: dict[str, str]
    line: Connection

    def gets(self) -> int:
        """Return how many objects were read so far."""
        self.line.send(None)
        return int(self.line.recv())


@dataclass(frozen=True)
class ManySold:
    """A marketplace in which so many releases were sold: its database, and the folder of its objects."""

    releases: int
    url: str
    objects: Path

    @property
    def bucket(self) -> str:
        return f"sold-{self.releases}"


@dataclass(frozen=True)
class Views:
    """Seconds of each first view, the seconds of each indexed read of a row store, and the objects that each view read."""

    pages: list[float]
    reads: list[float]
    gets: list[int]


def main(run: Run) -> None:
    """Run it."""
    with run.marketplace() as place, new_database(place.server) as other:
        shops = [ManySold(FEW, place.url, place.folder / "few"), ManySold(run.size, other, place.folder / "many")]
        for shop in shops:
            _settle_in(shop)
            seconds = play_on_database(shop.url, functools.partial(_sell, shop))
            run.figure("index", f"{seconds:.1f}", f"seconds for {shop.releases} releases of {PEOPLE} people")
        visits = min(MOST_VISITS, run.size)
        _report(run, "folder", *_visit_all(shops, visits))
        with _s3(shops) as s3:
            _report(run, "S3", *_visit_all(shops, visits, s3))


def _settle_in(shop: ManySold, s3: S3 | None = None) -> None:
    """Let the settings lead to a shop."""
    os.environ |= {"DATABASE_URL": shop.url, "PARTAGE_STATE": str(shop.objects)}
    os.environ |= {"PARTAGE_OBJECTS": shop.objects.resolve().as_uri()}
    if s3 is not None:
        os.environ |= s3.environment | {"PARTAGE_OBJECTS": f"s3://{shop.bucket}"}
    settings.cache_clear()


def manifest_sold(number: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return who is in a release, and each one's weight."""
    rng = np.random.default_rng(number)
    who = np.flatnonzero(rng.random(PEOPLE) < 0.6) + 1
    return who, rng.integers(1, 13, len(who))


async def _sell(shop: ManySold) -> float:
    """Fill a shop; return the seconds in which its contributions were indexed."""
    await sales.write_lines(range(1, PEOPLE + 1))
    who, weights = manifest_sold(0)
    release = await sales.seal_weights(dict(zip(who.tolist(), weights.tolist(), strict=True)))
    now = clock.now()
    await sales.write_sale(release, 10_000, sold_at=now)
    assert await hold_shares() == 1
    sold = shop.releases * SALES
    values = ((shop.releases,), (now, ALL / sold, sold, SALES), (), (), (), (), (HELD_FOR,), (now,), (HELD_FOR, now))
    async with database.transaction():
        for statement, given in zip(COPIES, values, strict=True):
            await database.execute(statement, *given)
        releases = [row["release"] for row in await fetch("SELECT release FROM released WHERE n > 0 ORDER BY n")]
    for number, copied in enumerate(releases, 1):
        file = io.BytesIO()
        pq.write_table(pa.table(dict(zip(("reference", "weight"), manifest_sold(number), strict=True))), file)
        await object_store.put(object_store.private_key(copied, "manifest.parquet"), file.getvalue())
    start = time.perf_counter()
    assert await index_contributions() == shop.releases
    indexed = time.perf_counter() - start
    await database.execute(
        "CREATE TABLE contribution_row (subscriber bigint, release bigint, weight bigint, PRIMARY KEY (subscriber, release))"
    )
    for number in range(shop.releases):
        who, weights = manifest_sold(number)
        columns = {"subscriber": who, "release": np.full(len(who), number), "weight": weights}
        await database.copy_columns("contribution_row", columns)
    await _close_months()
    await database.execute("VACUUM ANALYZE")
    return indexed


async def _close_months() -> None:
    """Leave a row a line of each month that is over and in which something was sold, as its close leaves them."""
    over = """SELECT DISTINCT date_trunc('month', sold_at AT TIME ZONE 'Europe/Paris')::date AS month FROM licence
              WHERE sold_at < date_trunc('month', now()) ORDER BY month"""
    lines = np.arange(1, PEOPLE + 1)
    for row in await fetch(over):
        async with database.transaction():
            run = await fetch_value(
                """INSERT INTO share_run (kind, at, amount_minor)
                   VALUES ('release', $1::date + interval '1 month', 1) RETURNING id""",
                row["month"],
            )
            close = await fetch_value(
                """INSERT INTO share_close (month, begun_at, next_reference, run)
                   VALUES ($1, $1::date + interval '1 month', NULL, $2) RETURNING id""",
                row["month"],
                run,
            )
            await database.execute("SELECT begin_closing($1)", close)
            columns = {"close": np.full(PEOPLE, close), "subscriber": lines, "payable_micro": 1_000 + lines}
            await database.copy_columns("closing_share", columns)
            await database.execute("SELECT add_closing_key()")
            await database.execute("SELECT attach_closing($1)", close)


def _visit_all(shops: list[ManySold], visits: int, s3: S3 | None = None) -> tuple[list[Views], list[Views]]:
    """Visit the shops in turn; return the rounds of each, fewer where little was sold."""
    found: list[list[Views]] = [[], []]
    rounds = min(MOST_ROUNDS, shops[-1].releases // FEW)
    for round_ in range(rounds):
        for views, shop in zip(found, shops, strict=True):
            _settle_in(shop, s3)
            first = 1 + visits * (round_ + (rounds if s3 else 0))
            lines = range(first, first + visits)
            views.append(play_on_database(shop.url, functools.partial(_visit, lines, s3)))
    return found[0], found[1]


async def _visit(lines: range, s3: S3 | None) -> Views:
    """Let each of these people see their page for the first time."""
    cookies = {}
    for line in lines:
        person = uuid.uuid4()
        await database.execute(
            """INSERT INTO person (id, email, name, password_hash, language, subscriber, created_at)
               VALUES ($1, $2, 'x', 'x', 'en', $3, $4)""",
            person,
            f"{person}@example.org",
            line,
            clock.now(),
        )
        cookie = await begin_session(person)
        cookies[line] = {cookie.key: str(cookie.value)}
    views = Views([], [], [])
    transport = httpx.ASGITransport(create_app(manages_pool=False))
    keep_loaded()  # as `serve` does
    async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
        for path in ("/en/consent", "/en/earnings/payouts"):  # imports and templates; nothing of anybody's shares
            (await client.get(path, cookies=cookies[lines[0]])).raise_for_status()
        for line in lines:
            before = s3.gets() if s3 else 0
            start = time.perf_counter()
            answer = await client.get("/en/earnings", cookies=cookies[line])
            views.pages.append(time.perf_counter() - start)
            assert answer.status_code == 200, answer.text
            assert "/earnings/shares" in answer.text
            views.gets.append((s3.gets() if s3 else 0) - before)
    for line in lines:  # not between views, for the thousands of rows would push what these use out of the caches
        start = time.perf_counter()
        await fetch("SELECT release, weight FROM contribution_row WHERE subscriber = $1", line)
        views.reads.append(time.perf_counter() - start)
    return views


def _report(run: Run, where: str, few: list[Views], many: list[Views]) -> None:
    low, high = (min(p99(views.pages) for views in rounds) for rounds in (few, many))
    spent = f"({high * 1e3:.1f} ms; {low * 1e3:.1f} ms)"
    run.figure("releases", f"{high / low:.2f}", f"× the p99 of first views at {FEW} sold releases, on {where} {spent}")
    page = min(float(np.median(views.pages)) for views in many)
    read = min(float(np.median(views.reads)) for views in many)
    spent = f"({page * 1e3:.1f} ms; {read * 1e3:.2f} ms)"
    run.figure("page", f"{page / read:.2f}", f"× one indexed read of the person's contributions, on {where} {spent}")
    if most := max(max(views.gets) for views in many):
        run.figure("gets", f"{most}", "objects read by a first view, at most")


@contextlib.contextmanager
def _s3(shops: list[ManySold]) -> Iterator[S3]:
    """Serve the shops' indexes by S3: by a server that costs little, for S3's own work is not done on these cores."""
    context = multiprocessing.get_context("fork")
    line, other = context.Pipe()
    process = context.Process(target=_serve, args=(shops, other), daemon=True)
    process.start()
    try:
        yield S3(line.recv(), line)
    finally:
        process.terminate()
        process.join()


def _serve(shops: list[ManySold], line: Connection) -> None:
    """Serve the index of each shop, and nothing else, from a bucket of its own; answer each question with how many were read."""
    with bucket() as server:
        for shop in shops:
            for path in (shop.objects / "private" / "contributions").rglob("*"):
                if path.is_file():
                    server.objects[f"/{shop.bucket}/{path.relative_to(shop.objects)}"] = path.read_bytes()
        line.send(server.environment)
        while True:
            line.recv()
            line.send(server.asked["GET"])
