"""A small shop: a sealed release with real cells, its offer, vetted partners, and the steps of buying as a browser takes them."""

import asyncio
import datetime as dt
import hashlib
import io
import uuid
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.datasets.releases.queries import get_dataset
from marketplace.datasets.releases.tables import Release
from marketplace.money.ledger.chart import DISPUTES, PARTNERS, STRIPE
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.balance import mirror_balance, read_balance
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.sales.agreed import basket_actions
from marketplace.sales.agreed.basket_actions import read_basket
from marketplace.sales.orders.actions import order as place
from marketplace.sales.orders.disputes import follow_disputes
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.orders.refunds import record_refunds
from marketplace.sales.orders.settling import lapse_unpaid, settle_paid
from tests.catalogue.builders import cover, figures_alike, have_everything_cost, latest_releases, put_on_sale
from tests.datasets.builders import BANDS, ZONES, declare, stated_days
from tests.people.builders import Browser, make_partner, spender_for
from tests.support.reads import ORDERED, fetch_one

DAY = dt.timedelta(days=1)
FLOOR = 10_001


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
    await put_on_sale("lyon", terms="standard-1", worth_minor=500_000, least_minor=FLOOR)
    return release


async def seal_release(
    *, rows: int = 500, period: tuple[dt.datetime, dt.datetime] | None = None, revision: int = 1, people: int = 0
) -> uuid.UUID:
    """Seal a release of `lyon` and return it; the period as `open_shop` says, people: those that its cells count in all."""
    release, now = uuid.uuid4(), clock.now()
    cells, file = some_cells(rows), io.BytesIO()
    pq.write_table(cells, file)
    await object_store.put(object_store.cells_key(release), file.getvalue())
    await object_store.put(object_store.private_key(release, "manifest.parquet"), b"exact personal data")
    begins, ends = period or (now - 31 * DAY, now - 3 * DAY)
    terms = await get_dataset("lyon")
    days = stated_days(begins, ends, rows, zones=len(ZONES), latest=now - 3 * DAY)
    row = Release(
        id=release,
        dataset="lyon",
        period_from=begins,
        period_to=ends,
        specification=str(release),
        revision=revision,
        state="sealed",
        sampler="opendp",
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
        expansion_micro=2_250_000,
        median_cell_people=60,
        median_cell_population=130,
        latest_event_at=now - 3 * DAY,
        contributors=100,
        total_weight=1_000,
        published_people=people or sum(cells["people"].to_pylist()),
        **days,
        published_by_figure=await figures_alike(terms, days),
        cells_sha256=hashlib.sha256(file.getvalue()).hexdigest(),
        manifest_sha256="00",
    )
    await row.save()
    await cover(row.to_dict(), terms)
    await execute("UPDATE dataset SET spent_micro = spent_micro + 2000000")
    return release


async def make_buyer(
    name: str = "atelier", *, country: str = "FR", confirmed: bool = False, vetted: bool = True
) -> uuid.UUID:
    """Make a partner with one person, `name`@partner.example."""
    partner = await make_partner(name.title(), f"{name}@partner.example")
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
    row = await fetch_one(f"SELECT * FROM {ORDERED} WHERE quote = $1", quote)
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


async def make_first_sale(browser: Browser) -> Any:
    """Return an order just paid by card, in a shop just opened."""
    release, partner = await open_shop(), await make_buyer()
    await browser.sign_in("atelier@partner.example")
    return await make_sale(browser, partner, release)


async def make_first_order(browser: Browser, *, net: int | None = None) -> tuple[Any, str]:
    """Return an order not paid yet, and the address of its page."""
    release, partner = await open_shop(), await make_buyer()
    if net:
        await have_everything_cost(net)
    await browser.sign_in("atelier@partner.example")
    quote = await make_quote(partner, release)
    answer = await place_order(browser, quote)
    return await order_of(quote), answer.headers["location"]


async def check_books_are_whole() -> None:
    """Refuse books that differ from Stripe, or a claim on partners that nobody has."""
    await mirror_balance()
    assert await balance(STRIPE) == await read_balance()
    assert await balance(PARTNERS) == 0
    assert await balance(DISPUTES) == 0


def send_transfer(stripe: Any, customer: str, amount: int, reference: str) -> None:
    """Send a bank transfer."""
    stripe.post(
        f"test_helpers/customers/{customer}/fund_cash_balance", amount=amount, currency="eur", reference=reference
    )


async def make_payer() -> uuid.UUID:
    """Let a buyer have written where invoices go, and saved a card."""
    partner = await make_buyer()
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    await save_card(partner)
    return partner


async def order_basket(partner: uuid.UUID, *codes: str, months: int = 0, basket: uuid.UUID | None = None) -> None:
    releases = await latest_releases(*codes)
    total = (await basket_actions.read_basket(releases, months)).total_minor
    await basket_actions.order(
        partner,
        releases,
        by=await spender_for(partner),
        total_minor=total,
        basket=basket or uuid.uuid4(),
        months=months,
        reason="For us.",
    )


async def next_release(number: int) -> uuid.UUID:
    """Seal a release of the week after the one that ended three days ago, and so on."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    return await seal_release(rows=200 + number, period=(end - 7 * DAY, end + number * dt.timedelta(minutes=0)))


async def save_card_on_page(browser: Browser, path: str) -> None:
    saved = str(uuid.uuid4())
    answer = await browser.submit("/en/payment-method", {"back": path}, form_id=saved)
    await pay(answer.headers["location"])
    returned = await browser.get(f"/en/payment-method?saved={saved}&back={path}")
    assert f'href="/en{path}">Back to the ' in returned.text, "to what the card was saved for"


async def pressed(browser: Browser, path: str, fields: dict[str, str], forms: list[str]) -> list[httpx.Response]:
    """Press the buttons of several forms, each by its id, at one instant; return the answers, the successful first."""
    await browser.get("/en/sign-out")
    token = browser.client.cookies.get("csrftoken") or ""
    written = [{"_csrf_token": token, "form_id": form, **fields} for form in forms]
    answers = await asyncio.gather(*(browser.client.post(path, data=one) for one in written))
    return sorted(answers, key=lambda one: one.status_code)


async def basket_of(releases: list[uuid.UUID]) -> dict[str, str]:
    lines = (await read_basket(releases)).lines
    total = sum(line.amount_minor for line in lines)
    under = ",".join(line.terms for line in lines)
    return {"releases": ",".join(map(str, releases)), "total": str(total), "terms": under}


async def on_credit(partner: uuid.UUID, release: uuid.UUID, **more: Any) -> Any:
    """Order on credit and return the order."""
    quote = await make_quote(partner, release)
    await place(
        partner,
        quote,
        by=await spender_for(partner),
        order_id=uuid.uuid4(),
        email="x@partner.example",
        pay_by="invoice",
        reason="x",
        **more,
    )
    return await order_of(quote)


ADDRESS = {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon", "reference": ""}


async def change_billing_of(partner: uuid.UUID) -> None:
    """Write where a partner's invoices are addressed."""
    await change_billing(partner, **ADDRESS)


async def save_card(partner: uuid.UUID) -> None:
    """Give a partner a saved card that this database alone knows of: enough to bid with, not to be charged."""
    await execute(
        "INSERT INTO payer (partner, asked_at, customer_id) VALUES ($1, now(), 'cus_' || $1::uuid) ON CONFLICT DO NOTHING",
        partner,
    )
    await execute(
        """INSERT INTO saved_method (id, payer, state, method_id, kind, brand, last_four, requested_at, saved_at)
           VALUES (gen_random_uuid(), $1, 'saved', 'pm_' || gen_random_uuid(), 'card', 'visa', '4242', now(), now())""",
        partner,
    )
