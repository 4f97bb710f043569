"""A small shop: a sealed release with real cells, its offer, vetted partners, and the steps of buying as a browser takes them."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace import clock, object_store
from marketplace.baskets.waiting import charge_waiting
from marketplace.catalogue import actions as catalogue
from marketplace.database import execute
from marketplace.datasets.tables import Release
from marketplace.identity import actions as identity
from marketplace.payments.events import handle_events, sweep_events
from marketplace.payments.stripe_calls import run_commands
from marketplace.purchases.actions import lapse_unpaid, settle_paid
from marketplace.purchases.disputes import follow_disputes
from marketplace.purchases.refunds import record_refunds
from tests.marketplace.datasets.builders import BANDS, ZONES, declare
from tests.marketplace.identity.site import PASSWORD, Browser, vat_of
from tests.support.reads import fetch_one

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY = dt.timedelta(days=1)
FLOOR, CAP = 10_001, 900_000


def some_cells(rows: int = 500) -> pa.Table:
    """Return cells as a build seals them, by zone, time and segment."""
    dice = np.random.default_rng(7)
    start = int(dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp())
    places = np.arange(rows)
    return pa.table(
        {
            "zone": pa.array([ZONES[n * len(ZONES) // rows] for n in places], pa.string()),
            "starts_at": pa.array((start + places * 3600) * 1_000_000, pa.timestamp("us", tz="UTC")),
            "segment": pa.array([BANDS[n % 2] for n in places], pa.string()),
            "people": pa.array(dice.integers(30, 2**40, rows), pa.int64()),
            "events": pa.array(dice.integers(30, 2**40, rows), pa.int64()),
        }
    )


async def open_shop(*, rows: int = 500, period: tuple[dt.datetime, dt.datetime] | None = None) -> uuid.UUID:
    """Declare the dataset `lyon`, seal a release of it, list it, and return the release.

    period: half-open; four weeks until three days ago, unless said.
    """
    await declare()
    release = await seal_release(rows=rows, period=period)
    await catalogue.define_terms("standard-1", months=12, lines_fr="Un\nDeux", lines_en="One\nTwo")
    await catalogue.list_offer("lyon", terms="standard-1", full_worth_minor=500_000, floor_minor=FLOOR, cap_minor=CAP)
    return release


async def seal_release(
    *, rows: int = 500, period: tuple[dt.datetime, dt.datetime] | None = None, revision: int = 1, people: int = 0
) -> uuid.UUID:
    """Seal a release of `lyon` and return it; the period as `open_shop` says, people: those that its cells count in all."""
    release, now = uuid.uuid4(), clock.now()
    file = io.BytesIO()
    pq.write_table(some_cells(rows), file)
    await object_store.put(object_store.cells_key(release), file.getvalue())
    await object_store.put(object_store.private_key(release, "manifest.parquet"), b"exact personal data")
    await Release(
        id=release,
        dataset="lyon",
        period_from=period[0] if period else now - 31 * DAY,
        period_to=period[1] if period else now - 3 * DAY,
        specification=str(release),
        revision=revision,
        state="sealed",
        started_at=now - 2 * DAY,
        sealed_at=now - 2 * DAY,
        epsilon_micro=2_000_000,
        threshold=20,
        noise_variance_micro=2_000_000,
        key_count=2 * rows,
        row_count=rows,
        suppressed_micro=500_000,
        consenting=4_000,
        population=9_000,
        median_cell_people=60,
        median_cell_population=130,
        latest_event_at=now - 3 * DAY,
        contributors=100,
        total_weight=1_000,
        published_people=people,
        cells_sha256=hashlib.sha256(file.getvalue()).hexdigest(),
        manifest_sha256="00",
    ).save()
    await execute("UPDATE dataset SET spent_micro = spent_micro + 2000000")
    return release


async def make_buyer(
    name: str = "atelier", *, country: str = "FR", confirmed: bool = False, vetted: bool = True
) -> uuid.UUID:
    """Make a partner with one person, `name`@partner.example."""
    partner = await identity.create_partner(
        company=name.title(),
        country="FR",
        vat_number=vat_of(name),
        name="Claire Martin",
        email=f"{name}@partner.example",
        password=PASSWORD,
    )
    await execute(
        """UPDATE partner SET country = $2, vat_confirmed_at = CASE WHEN $3 THEN signed_up_at END,
                  vetted_at = CASE WHEN $4 THEN signed_up_at END, vetted_by = CASE WHEN $4 THEN 'a steward' END
           WHERE id = $1""",
        partner,
        country,
        confirmed,
        vetted,
    )
    return partner


async def make_quote(partner: uuid.UUID, release: uuid.UUID) -> uuid.UUID:
    """Return a fresh quote."""
    return await catalogue.quote(partner, release, quote_id=uuid.uuid4())


async def place_order(browser: Browser, quote: uuid.UUID, form_id: uuid.UUID | None = None) -> httpx.Response:
    """Press the quote's button."""
    written = {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon", "reason": "For our other shop."}
    return await browser.submit(f"/en/quotes/{quote}/orders", written, form_id=str(form_id or uuid.uuid4()))


async def order_of(quote: uuid.UUID) -> Any:
    """Return the order of a quote."""
    row = await fetch_one("SELECT * FROM purchase_order WHERE quote = $1", quote)
    assert row
    return row


async def pay(address: str, method: str = "visa") -> httpx.Response:
    """Pay on Stripe's hosted page."""
    async with httpx.AsyncClient() as browser:
        return await browser.post(address, data={"method": method})


async def jobs() -> None:
    """Let every job of money run once, without webhooks."""
    await run_commands()
    await sweep_events()
    await handle_events()
    await settle_paid()
    await charge_waiting()
    await record_refunds()
    await follow_disputes()
    await lapse_unpaid()


async def make_sale(browser: Browser, partner: uuid.UUID, release: uuid.UUID) -> Any:
    """Buy a release and return the settled order."""
    quote = await make_quote(partner, release)
    answer = await place_order(browser, quote)
    assert answer.status_code == 303, answer.text
    assert (await pay(answer.headers["location"])).status_code == 303
    await jobs()
    row = await order_of(quote)
    assert row["state"] == "paid"
    return row


async def counts(*tables: str) -> Sequence[int]:
    """Return how many rows each table has."""
    row = await fetch_one("SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables))
    assert row
    return tuple(row)
