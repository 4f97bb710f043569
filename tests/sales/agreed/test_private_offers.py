"""Private offers over HTTP: made by a steward, quoted and bought by one partner, seen by nobody else, explained."""

import datetime as dt
import json
import uuid

import asyncpg
import html5lib
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import find_listed_release
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.core.web.formats import date
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.payments.balance import mirror_balance
from marketplace.sales.agreed import private_actions
from tests.catalogue.builders import charge_at_least
from tests.people.builders import PASSWORD, Browser, add_staff, make_staff, page_text
from tests.sales.builders.shop import FLOOR, jobs, make_buyer, open_shop, order_of, pay, place_order
from tests.support.reads import fetch, fetch_value

DAY = dt.timedelta(days=1)


@pytest.mark.long
@pytest.mark.usefixtures("stripe")
async def test_one_partner_alone_sees_and_pays_its_price() -> None:
    release = await open_shop()
    partner = await make_buyer()
    await make_buyer("rival")
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
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
        before = [page_text(await stranger.get(path)) for path in public]
        logged = "SELECT (SELECT count(*) FROM log_fact) + (SELECT count(*) FROM hidden_fact)"
        facts = await fetch_value(logged)
        for field, value, why in (
            ("partner", "odd", "vetted partner"),
            ("partner", str(uuid.uuid4()), "vetted partner"),
            ("percent_off", "36", "between 1 and 35"),
            ("percent_off", "much", "between 1 and 35"),
            ("ends_on", "soon", "year-month-day"),
            ("ends_on", "2020-01-01", "later than now"),
        ):
            wrong = await samir.submit("/en/steward/private-offers", written | {field: value})
            assert wrong.status_code == 422, field
            assert why in page_text(wrong)
            assert f'id="{field}-error"' in wrong.text
            html5lib.HTMLParser(strict=True).parse(wrong.text)
        nowhere = await samir.submit("/en/steward/private-offers", written | {"dataset": "nowhere"})
        assert nowhere.status_code == 404
        form = str(uuid.uuid4())
        for _ in range(2):
            assert (await samir.submit("/en/steward/private-offers", written, form_id=form)).status_code == 303
        again = await samir.submit("/en/steward/private-offers", written)
        assert "withdraw it first" in page_text(again)
        own = await buyer.get("/en/private-offers")
        html5lib.HTMLParser(strict=True).parse(own.text)
        private = -(-posted * 8500 // 10_000)
        assert f"€{private / 100:,.2f}" in page_text(own)
        last_day = date(dt.date.fromisoformat(ends))
        for browser, path in ((buyer, "/en/private-offers"), (samir, "/en/steward/private-offers")):
            shown = page_text(await browser.get(path))
            assert last_day in shown, "its last day is the one that the steward wrote"
            assert "00:00" not in shown
        assert "An offer to your company alone" in page_text(await buyer.get("/en/inbox"))
        assert "alone" not in page_text(await rival.get("/en/inbox"))
        assert "Nothing is offered" in page_text(await rival.get("/en/private-offers"))
        assert (await rival.submit("/en/private-offers/quotes", {"offer": form})).status_code == 404
        quote = str(uuid.uuid4())
        for _ in range(2):
            answer = await buyer.submit("/en/private-offers/quotes", {"offer": form}, form_id=quote)
            assert answer.headers["location"] == f"/en/quotes/{quote}"
        shown = await buyer.get(f"/en/quotes/{quote}")
        assert "Offered to your company alone" in page_text(shown)
        assert f"€{private / 100:,.2f}" in page_text(shown)
        document = await fetch_value("SELECT document FROM quote WHERE id = $1", uuid.UUID(quote))
        assert json.loads(document)["private_basis_points"] == 8500
        bought = await place_order(buyer, uuid.UUID(quote))
        await pay(bought.headers["location"])
        await jobs()
        order = await order_of(uuid.UUID(quote))
        assert (order["state"], order["net_minor"]) == ("paid", private)
        assert await fetch("SELECT posted_minor, net_minor FROM licence") == [(posted, private)], (
            "people are paid from the first"
        )
        assert await fetch_value("SELECT count(*) FROM posted_sale") == 0, "demand learns nothing from it"
        assert [page_text(await stranger.get(path)) for path in public] == before, "nothing public shows that it exists"
        assert await fetch_value(logged) == facts, "nor has the public log a fact of it"
        listing = page_text(await samir.get("/fr/steward/private-offers"))
        assert "Atelier" in listing
        await samir.submit("/en/steward/private-offers/withdraw", {"offer": form})
        await samir.submit("/en/steward/private-offers/withdraw", {"offer": form})
        assert (await samir.submit("/en/steward/private-offers/withdraw", {})).status_code == 404
        assert (await buyer.submit("/en/private-offers/quotes", {"offer": form})).status_code == 410
        assert "Nothing is offered" in page_text(await buyer.get("/en/private-offers"))
    await mirror_balance()
    await reconcile()
    postings = await fetch(
        """SELECT credit, amount_minor FROM posting JOIN journal_entry ON journal_entry.id = entry
           WHERE kind = 'sale' ORDER BY credit"""
    )
    assert postings == [("445710", order["vat_minor"]), ("706000", private)]


async def test_a_private_price_never_goes_under_the_least_charge() -> None:
    release = await open_shop()
    partner = await make_buyer()
    steward = await make_staff("Samir", "steward")
    listed = await find_listed_release(release)
    assert listed
    posted = (await catalogue.price_now(listed, now=clock.now())).amount_minor
    offer, quotes = uuid.uuid4(), [uuid.uuid4(), uuid.uuid4()]
    ends_at = clock.now() + DAY
    await private_actions.offer(steward, partner, "lyon", percent_off=35, ends_at=ends_at, offer_id=offer)
    await private_actions.quote(partner, offer, quote_id=quotes[0])
    await charge_at_least(posted - 100)
    await private_actions.quote(partner, offer, quote_id=quotes[1])
    amounts = [await fetch_value("SELECT amount_minor FROM quote WHERE id = $1", quote) for quote in quotes]
    assert amounts == [-(-posted * 65 // 100), posted - 100], "what was signed before stays"
    with pytest.raises(NotFound):
        await private_actions.quote(uuid.uuid4(), offer, quote_id=uuid.uuid4())


@pytest.mark.usefixtures("stripe")
async def test_an_offer_states_its_lengths_and_each_is_priced_and_sold() -> None:
    release, partner = await open_shop(), await make_buyer()
    await add_staff("samir@partage.example", "Samir", "steward", PASSWORD)
    listed = await find_listed_release(release)
    assert listed
    posted = dict(await catalogue.prices_by_length(listed, now=clock.now()))
    ends = (clock.now() + 20 * DAY).date().isoformat()
    written = {"partner": str(partner), "dataset": "lyon", "percent_off": "10", "ends_on": ends}
    async with Browser() as samir, Browser() as buyer:
        await samir.sign_in("samir@partage.example")
        await buyer.sign_in("atelier@partner.example")
        for wrong, why in (
            ("121", "between 1 and 120"),
            ("a year", "as numbers"),
            ("3, 1000", "as numbers"),
            ("٣", "as numbers"),
        ):
            answer = await samir.submit("/en/steward/private-offers", written | {"months": wrong})
            assert answer.status_code == 422, wrong
            assert why in page_text(answer)
            assert 'id="months-error"' in answer.text
            assert f'value="{wrong}"' in answer.text, "what was typed is kept"
        assert await fetch_value("SELECT count(*) FROM private_offer") == 0
        form = str(uuid.uuid4())
        typed = written | {"months": "36, 12"}
        made = await samir.submit("/en/steward/private-offers", typed, form_id=form)
        assert made.status_code == 303, (page_text(made)[-900:], {m: one.amount_minor for m, one in posted.items()})
        assert "12, 36" in page_text(await samir.get("/en/steward/private-offers"))
        own = await buyer.get("/en/private-offers")
        html5lib.HTMLParser(strict=True).parse(own.text)
        paid = {months: -(-one.amount_minor * 9000 // 10_000) for months, one in posted.items()}
        assert f"€{paid[36] / 100:,.2f}" in page_text(own)
        assert f"€{paid[3] / 100:,.2f}" not in page_text(own), "what is not offered has no private price"
        for months in ("3", "24"):
            refused = await buyer.submit("/en/private-offers/quotes", {"offer": form, "months": months})
            assert (refused.status_code, "not for so long" in page_text(refused)) == (422, True)
        asked = uuid.uuid4()
        await buyer.submit("/en/private-offers/quotes", {"offer": form, "months": "36"}, form_id=str(asked))
        other = await buyer.submit("/en/private-offers/quotes", {"offer": form, "months": "12"}, form_id=str(asked))
        assert other.status_code == 409, "the same id is the same quote, for as long"
        assert "36 months" in page_text(await buyer.get(f"/en/quotes/{asked}"))
        await pay((await place_order(buyer, asked)).headers["location"])
        await jobs()
        assert (await order_of(asked))["net_minor"] == paid[36] >= FLOOR
        years = "SELECT extract(year FROM age(ends_at, starts_at))::integer FROM entitlement"
        assert await fetch_value(years) == 3
    await mirror_balance()
    await reconcile()


@pytest.mark.parametrize("months", [3, 12, 36])
async def test_no_length_goes_under_the_least_charge(months: int) -> None:
    release, partner, steward = await open_shop(), await make_buyer(), await make_staff("Samir", "steward")
    listed = await find_listed_release(release)
    assert listed
    posted = dict(await catalogue.prices_by_length(listed, now=clock.now()))
    floor = min(posted[length].amount_minor for length in (3, 12, 36)) - 1
    await charge_at_least(floor)
    offer, quote = uuid.uuid4(), uuid.uuid4()
    ends_at, every = clock.now() + DAY, [3, 12, 36]
    await private_actions.offer(steward, partner, "lyon", percent_off=35, ends_at=ends_at, offer_id=offer, months=every)
    await private_actions.quote(partner, offer, quote_id=quote, months=months)
    amount = await fetch_value("SELECT amount_minor FROM quote WHERE id = $1", quote)
    assert amount == max(floor, -(-posted[months].amount_minor * 65 // 100))


async def test_a_quote_is_not_asked_for_again_as_a_private_one() -> None:
    """A form's id that the public price was signed for, sent again for the private one, then the other way round."""
    release = await open_shop()
    partner, steward, offer = await make_buyer(), await make_staff("Samir", "steward"), uuid.uuid4()
    await private_actions.offer(
        steward, partner, "lyon", percent_off=35, ends_at=clock.now() + 30 * DAY, offer_id=offer
    )
    public, private = uuid.uuid4(), uuid.uuid4()
    await catalogue.quote(partner, release, quote_id=public)
    with pytest.raises(Conflict, match="already exists"):
        await private_actions.quote(partner, offer, quote_id=public)
    await private_actions.quote(partner, offer, quote_id=private)
    await private_actions.quote(partner, offer, quote_id=private)
    for other in ({}, {"is_held": True}):
        with pytest.raises(Conflict, match="already exists"):
            await catalogue.quote(partner, release, quote_id=private, **other)
    assert await fetch("SELECT quote FROM private_quote") == [(private,)]


async def test_no_private_price_takes_more_than_the_operators_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused when it is offered; where the operator's rate falls later, none is quoted; the table holds it too."""
    await open_shop()
    partner, steward, offer = await make_buyer(), await make_staff("Samir", "steward"), uuid.uuid4()
    ends_at = clock.now() + DAY
    with pytest.raises(Invalid, match="between 1 and 35 percent"):
        await private_actions.offer(steward, partner, "lyon", percent_off=36, ends_at=ends_at, offer_id=offer)
    await private_actions.offer(steward, partner, "lyon", percent_off=35, ends_at=ends_at, offer_id=offer)
    with pytest.raises(asyncpg.CheckViolationError, match="operator_bears_it"):
        await execute("UPDATE private_offer SET basis_points = 6499")
    monkeypatch.setenv("OPERATOR_BASIS_POINTS", "3000")
    settings.cache_clear()
    with pytest.raises(Conflict, match="more than the operator’s part"):
        await private_actions.quote(partner, offer, quote_id=uuid.uuid4())
    monkeypatch.undo()
    settings.cache_clear()
