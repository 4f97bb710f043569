"""What is printed in Chromium: a quote says to whom and until when, nothing lies over anything else, no card is empty."""

import uuid

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.people.identity import actions as identity
from marketplace.sales.orders.invoices import change_billing
from tests.catalogue.builders import open_catalogue, seal_week
from tests.people.builders import VAT
from tests.support.browsing import Guest, open_visit
from tests.support.market import PASSWORD, running

EMAIL = "claire@atelier.example"
CUT = """() => [...document.querySelectorAll('main .card, main .scroll')]
    .filter(one => one.checkVisibility() && one.scrollHeight > one.clientHeight + 2).map(one => one.innerText.slice(0, 40))"""
EMPTY = """() => [...document.querySelectorAll('main .card')]
    .filter(one => one.checkVisibility() && one.innerText.trim() === (one.querySelector('header')?.innerText ?? '').trim())
    .map(one => one.innerText)"""


async def printed_words(guest: Guest, path: str) -> str:
    """Return what a page says once it is printed, where nothing is cut and no card is empty."""
    await guest.go(path)
    await guest.page.emulate_media(media="print")
    assert await guest.page.evaluate(CUT) == [], path
    assert await guest.page.evaluate(EMPTY) == [], path
    printed: str = await guest.page.inner_text("main")
    await guest.page.emulate_media(media="screen")
    return printed


@pytest.mark.deep
async def test_what_is_printed_is_whole_and_names_the_buyer(chromium: str) -> None:
    async with running() as market:
        await open_catalogue(grain="hour")
        release = await seal_week()
        partner = await identity.create_partner(
            company="Atelier", country="FR", vat_number=VAT, name="Claire", email=EMAIL, password=PASSWORD
        )
        await identity.vet_partner(partner, "Steward")
        await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
        quote = await catalogue.quote(partner, release, quote_id=uuid.uuid4())
        async with open_visit(chromium, market) as visit:
            guest = await visit.guest()
            await guest.sign_in(EMAIL)
            printed = await printed_words(guest, f"/quotes/{quote}")
            assert "Invoice to: Atelier, 1 rue Longue, 69001 Lyon." in printed
            assert "Say why" not in printed, "what is to be pressed is not printed"
            basket = await printed_words(guest, f"/basket?dataset=lyon&release={release}")
            assert "To pay" in basket
            assert "Choose releases" not in basket
            dataset = await printed_words(guest, "/datasets/lyon")
            assert "A simulated week" in dataset
            assert "Licence in five lines" in dataset
            assert await guest.page.locator("#data .tall tbody tr").count() > 0
