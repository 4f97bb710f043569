"""Private offers over HTTP: made by a steward, quoted and bought by one partner, seen by nobody else, audited, explained."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import html5lib
import pytest

from marketplace import clock
from marketplace.catalogue import actions as catalogue
from marketplace.catalogue.queries import find_listed_release
from marketplace.database import execute
from marketplace.errors import Conflict, NotFound
from marketplace.finance.actions import reconcile
from marketplace.identity import actions as identity
from marketplace.payments.balance import mirror_balance
from marketplace.private_offers import actions
from tests.marketplace.identity.site import PASSWORD, Browser, make_staff, text_of
from tests.marketplace.purchases.shop import FLOOR, jobs, make_buyer, open_shop, order_of, pay, place_order
from tests.support.reads import fetch, fetch_value

DAY = dt.timedelta(days=1)


async def test_one_partner_alone_sees_and_pays_its_price(stripe: Any) -> None:
    del stripe
    release = await open_shop()
    partner = await make_buyer()
    await make_buyer("rival")
    await identity.add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    listed = await find_listed_release(release)
    assert listed
    posted = (await catalogue.price_now(listed, now=clock.now())).amount_minor
    ends = (clock.now() + 20 * DAY).date().isoformat()
    written = {"partner": str(partner), "dataset": "lyon", "percent_off": "15", "ends_on": ends}
    async with Browser() as samir, Browser() as buyer, Browser() as rival, Browser() as stranger:
        for browser, email in ((samir, "samir@partage"), (buyer, "atelier@partner"), (rival, "rival@partner")):
            await browser.sign_in(f"{email}.example")
        public = (
            "/en/",
            "/en/catalogue",
            "/en/datasets/lyon",
            "/api/v1/datasets",
            "/sitemaps/1",
            "/en/auctions",
            "/en/transparency",
        )
        before = [text_of(await stranger.get(path)) for path in public]
        logged = "SELECT (SELECT count(*) FROM log_fact) + (SELECT count(*) FROM hidden_fact)"
        facts = await fetch_value(logged)
        for field, value, why in (
            ("partner", "odd", "vetted partner"),
            ("partner", str(uuid.uuid4()), "vetted partner"),
            ("percent_off", "51", "between 1 and 50"),
            ("percent_off", "much", "between 1 and 50"),
            ("ends_on", "soon", "year-month-day"),
            ("ends_on", "2020-01-01", "later than now"),
        ):
            wrong = await samir.submit("/en/steward/private-offers", written | {field: value})
            assert wrong.status_code == 422, field
            assert why in text_of(wrong)
            assert f'id="{field}-error"' in wrong.text
            html5lib.HTMLParser(strict=True).parse(wrong.text)
        nowhere = await samir.submit("/en/steward/private-offers", written | {"dataset": "nowhere"})
        assert nowhere.status_code == 404
        form = str(uuid.uuid4())
        for _ in range(2):
            assert (await samir.submit("/en/steward/private-offers", written, form_id=form)).status_code == 303
        again = await samir.submit("/en/steward/private-offers", written)
        assert "withdraw it first" in text_of(again)
        own = await buyer.get("/en/private-offers")
        html5lib.HTMLParser(strict=True).parse(own.text)
        private = -(-posted * 8500 // 10_000)
        assert f"€{private / 100:,.2f}" in text_of(own)
        assert "An offer to your company alone" in text_of(await buyer.get("/en/inbox"))
        assert "alone" not in text_of(await rival.get("/en/inbox"))
        assert "Nothing is offered" in text_of(await rival.get("/en/private-offers"))
        assert (await rival.submit("/en/private-offers/quotes", {"offer": form})).status_code == 404
        quote = str(uuid.uuid4())
        for _ in range(2):
            answer = await buyer.submit("/en/private-offers/quotes", {"offer": form}, form_id=quote)
            assert answer.headers["location"] == f"/en/quotes/{quote}"
        shown = await buyer.get(f"/en/quotes/{quote}")
        assert "Offered to your company alone" in text_of(shown)
        assert f"€{private / 100:,.2f}" in text_of(shown)
        document = await fetch_value("SELECT document FROM quote WHERE id = $1", uuid.UUID(quote))
        assert json.loads(document)["private_basis_points"] == 8500
        bought = await place_order(buyer, uuid.UUID(quote))
        await pay(bought.headers["location"])
        await jobs()
        order = await order_of(uuid.UUID(quote))
        assert (order["state"], order["net_minor"]) == ("paid", private)
        assert await fetch_value("SELECT count(*) FROM posted_sale") == 0, "demand learns nothing from it"
        assert [text_of(await stranger.get(path)) for path in public] == before, "nothing public shows that it exists"
        assert await fetch_value(logged) == facts, "nor has the public log a fact of it"
        listing = text_of(await samir.get("/fr/steward/private-offers"))
        assert "Atelier" in listing
        await samir.submit("/en/steward/private-offers/withdraw", {"offer": form})
        await samir.submit("/en/steward/private-offers/withdraw", {"offer": form})
        assert (await samir.submit("/en/steward/private-offers/withdraw", {})).status_code == 404
        assert (await buyer.submit("/en/private-offers/quotes", {"offer": form})).status_code == 410
        assert "Nothing is offered" in text_of(await buyer.get("/en/private-offers"))
    await mirror_balance()
    await reconcile()
    postings = await fetch(
        """SELECT credit, amount_minor FROM posting JOIN journal_entry ON journal_entry.id = entry
           WHERE kind = 'sale' ORDER BY credit"""
    )
    assert postings == [("445710", order["vat_minor"]), ("706000", private)]


async def test_a_private_price_never_goes_under_the_floor_nor_under_what_else_is_on_sale() -> None:
    release = await open_shop()
    partner = await make_buyer()
    steward = await make_staff("Samir", "steward")
    listed = await find_listed_release(release)
    assert listed
    posted = (await catalogue.price_now(listed, now=clock.now())).amount_minor
    await execute(
        """INSERT INTO edition (id, release, level, variance_multiple, noise_variance_micro, threshold, row_count,
                                error_people, cells_sha256)
           SELECT gen_random_uuid(), id, 1, 400, 400 * noise_variance_micro, 40, row_count, 50, 'x' FROM release"""
    )
    coarse = (await catalogue.editions_now(listed, now=clock.now()))[1].priced.amount_minor
    assert posted * 6 // 10 < coarse < posted - 100
    ends_at = clock.now() + DAY
    with pytest.raises(Conflict, match="has as much for"):
        await actions.offer(steward, partner, "lyon", percent_off=40, ends_at=ends_at, offer_id=uuid.uuid4())
    assert await fetch_value("SELECT count(*) FROM private_offer") == 0
    await catalogue.list_offer(
        "lyon", terms="standard-1", full_worth_minor=500_000, floor_minor=posted - 100, cap_minor=900_000
    )
    offer, quote = uuid.uuid4(), uuid.uuid4()
    await actions.offer(steward, partner, "lyon", percent_off=40, ends_at=ends_at, offer_id=offer)
    await actions.quote(partner, offer, quote_id=quote)
    assert await fetch_value("SELECT amount_minor FROM quote WHERE id = $1", quote) == posted - 100 > FLOOR
    with pytest.raises(NotFound):
        await actions.quote(uuid.uuid4(), offer, quote_id=uuid.uuid4())
