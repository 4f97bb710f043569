"""Lengths of licence: each priced by its length, chosen with the price and kept by the licence."""

import datetime as dt
import io
import json
import re
import uuid

import html5lib
import httpx
import pytest
from msgspec.structs import replace
from pypdf import PdfReader

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import find_listed_release, get_quote
from marketplace.catalogue.offers.stated import state_sheet
from marketplace.core import clock
from marketplace.core.database import execute, fetch_scalar
from marketplace.core.instants import months_later
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.key_actions import create_key
from marketplace.sales.agreed import basket_actions as baskets
from marketplace.sales.orders.invoices import change_billing
from tests.catalogue.builders import sheet_document
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import jobs, make_buyer, open_shop, pay, place_order, seal_release
from tests.support.reads import fetch
from tests.support.sites import the_site

PAGE = "/en/datasets/lyon"
SHOWN = [1, 3, 6, 12, 36, 60]
"""Months whose prices the page shows."""


@pytest.mark.long
@pytest.mark.usefixtures("stripe")
async def test_a_licence_is_bought_for_any_length() -> None:
    release, buyer = await open_shop(), await make_buyer()
    async with Browser() as atelier, Browser() as stranger:
        await atelier.sign_in("atelier@partner.example")
        listed = await find_listed_release(release)
        assert listed
        prices = await catalogue.prices_by_length(listed, now=clock.now())
        posted = {months: priced.amount_minor for months, priced in prices}
        assert list(posted) == SHOWN
        assert posted[3] < posted[12] < posted[36], "a longer one costs more"
        assert "For any length" in page_text(await stranger.get(PAGE))
        shown = await atelier.get(PAGE)
        html5lib.HTMLParser(strict=True).parse(shown.text)
        assert re.search(r'name="months"[^>]* value="12"', shown.text), "the offer's own, unless another is written"
        asked, wanted = uuid.uuid4(), {"release": str(release), "level": "0", "months": "36"}
        assert (await atelier.submit(f"{PAGE}/quotes", wanted, form_id=str(asked))).status_code == 303
        await _is_said_everywhere(atelier, asked)
        assert (await pay((await place_order(atelier, asked)).headers["location"])).status_code == 303
        await jobs()
        order = await fetch_scalar(uuid.UUID, "SELECT purchase_order FROM order_lot WHERE quote = $1", asked)
        for path in (f"orders/{order}", "orders"):
            assert "36 months" in page_text(await atelier.get(f"/en/{path}"))
        issued = await fetch_scalar(bytes, "SELECT document FROM invoice WHERE purchase_order = $1", order)
        assert issued
        assert json.loads(issued)["lines"][0]["months"] == 36, "and its invoice says for how long"
        sent = await fetch_scalar(str, "SELECT string_agg(to_jsonb(stripe_command)::text, '') FROM stripe_command")
        assert "36-month licence of" in sent, "who pays on Stripe's page reads for how long"
        quote = await get_quote(asked, buyer)
        assert quote.amount_minor == posted[36]
        document = json.loads(quote.document)
        [(_, _, (since, until, *_), _)] = document["price"]["lots"]
        starts = dt.datetime.fromtimestamp(since * 3_600, dt.UTC)
        assert months_later(starts, 36).timestamp() == until * 3_600, "the price says which hours it is for"
        years = "SELECT extract(year FROM age(ends_at, starts_at))::integer FROM entitlement"
        assert await fetch_scalar(int, years) == 3
        await _buy_a_basket(atelier, buyer)
        await _ask_by_the_api(buyer, release, posted)
        for wrong in ("121", "a year", "-3", "0", "٣"):
            refusal = await atelier.submit(f"{PAGE}/quotes", wanted | {"months": wrong})
            assert refusal.status_code == 422, wrong
            assert "between 1 and 120 months" in page_text(refusal)
            assert f'value="{wrong}"' in refusal.text, "what was typed is kept"


async def _is_said_everywhere(atelier: Browser, quote: uuid.UUID) -> None:
    """Read the length on the quote's page and its PDF, in both languages, and on the dataset's page."""
    for language, words in (("en", "Licence of 36 months"), ("fr", "Licence de 36 mois")):
        assert words in page_text(await atelier.get(f"/{language}/quotes/{quote}")).replace("\xa0", " ")
        file = (await atelier.get(f"/{language}/quotes/{quote}/quote.pdf")).content
        drawn = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(file)).pages)
        assert words in " ".join(drawn.split()), "who signs the paper reads it there, too"
    shown = page_text(await atelier.get(PAGE)).replace("\xa0", " ")
    assert "for 12 months" in shown, "the price beside it is that of the offer's own"


async def age_with(half_life_hours: int) -> None:
    """State the shop's sheet with another half-life."""
    document = replace(await sheet_document("lyon", worth_minor=500_000), half_life_hours=half_life_hours)
    await state_sheet("sheet-lyon", document, Actor(name="Sam", role="steward"), version=uuid.uuid4())


@pytest.mark.usefixtures("stripe")
async def test_lengths_that_cost_the_same_say_why() -> None:
    """Figures that age in a day are worth nothing after three years or one: the longer costs nothing more, and it is said."""
    await open_shop()
    await age_with(half_life_hours=48)
    await make_buyer()
    async with Browser() as atelier:
        await atelier.sign_in("atelier@partner.example")
        for language, words in (
            ("en", "60 months cost practically the same as 1 month"),
            ("fr", "60 mois coûtent pratiquement autant que 1 mois"),
        ):
            page = await atelier.get(f"/{language}/datasets/lyon")
            html5lib.HTMLParser(strict=True).parse(page.text)
            assert words in page_text(page).replace("\xa0", " ")
        await age_with(half_life_hours=300 * 24)
        assert "practically the same" not in page_text(await atelier.get(PAGE))


async def _buy_a_basket(atelier: Browser, buyer: uuid.UUID) -> None:
    """Order another release of the dataset for three months, in a basket; the length is its licence's."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - dt.timedelta(days=30)
    await execute("UPDATE dataset SET budget_micro = 90000000")
    other = await seal_release(period=(end - dt.timedelta(days=7), end))
    path = f"/en/basket?dataset=lyon&release={other}"
    page = await atelier.get(f"{path}&months=3")
    html5lib.HTMLParser(strict=True).parse(page.text)
    assert "Length of the licences" in page_text(page)
    assert re.search(r'name="months"[^>]* value="3"', page.text)
    (line,) = (await baskets.read_basket([other], 3)).lines
    (own,) = (await baskets.read_basket([other])).lines
    assert (line.terms, line.months, own.months) == ("standard-1", 3, 12)
    assert line.amount_minor < own.amount_minor
    await change_billing(buyer, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    saved = str(uuid.uuid4())
    answer = await atelier.submit("/en/payment-method", {"back": "/basket"}, form_id=saved)
    await pay(answer.headers["location"])
    await atelier.get(f"/en/payment-method?saved={saved}&back=/basket")
    written = {"releases": str(other), "total": str(line.amount_minor), "terms": line.terms, "months": "3"}
    refused = await atelier.submit("/en/basket/orders", written | {"months": "12"})
    assert (refused.status_code, "price has changed" in page_text(refused)) == (409, True)
    assert (await atelier.submit("/en/basket/orders", written)).status_code == 303
    await jobs()
    (licence,) = await fetch("SELECT starts_at, ends_at FROM entitlement WHERE release = $1", other)
    assert licence["ends_at"] == months_later(licence["starts_at"], 3)


async def _ask_by_the_api(buyer: uuid.UUID, release: uuid.UUID, posted: dict[int, int]) -> None:
    """Ask for the price of several lengths by the API."""
    key = await create_key(buyer, "erp", key_id=uuid.uuid4(), session="s", scopes="quotes")
    transport, bearer = httpx.ASGITransport(the_site()), {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example") as program:
        known = (await program.get("/api/v1/datasets/lyon")).json()
        assert (known["terms"], known["months"]) == ("standard-1", 12)
        for months, amount_minor in posted.items():
            headers = bearer | {"Idempotency-Key": str(uuid.uuid4())}
            asked = {"release": str(release), "months": months}
            quote = (await program.post("/api/v1/quotes", json=asked, headers=headers)).json()
            assert (quote["terms"], quote["months"], quote["amount_minor"]) == ("standard-1", months, amount_minor)
        again = await program.post("/api/v1/quotes", json=asked | {"months": 3}, headers=headers)
        assert again.status_code == 409, "the same id is the same quote, for as long"
        for wrong in (121, -1):
            headers = bearer | {"Idempotency-Key": str(uuid.uuid4())}
            refused = await program.post("/api/v1/quotes", json=asked | {"months": wrong}, headers=headers)
            assert refused.status_code == 400
