"""Where staff land: what is missing from an empty database on, and what waits for a steward."""

import re
import uuid

import html5lib
import pytest

from marketplace.catalogue.offers.actions import withdraw_offer
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.people.identity import actions as identity
from marketplace.people.identity.credentials import confirm_email
from tests.catalogue.builders import open_catalogue, seal_week
from tests.people.builders import PASSWORD, Browser, add_staff, make_partner, page_text
from tests.support.reads import fetch_value


async def land(browser: Browser, language: str = "en", *, at: str = "start") -> str:
    page = await browser.get(f"/{language}/{at}")
    html5lib.HTMLParser(strict=True).parse(page.text)
    return page_text(page)


@pytest.mark.long
async def test_a_steward_is_led_from_an_empty_database_to_the_first_sale() -> None:
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    async with Browser() as sam:
        assert (await sam.sign_in("sam@partage.example")).headers["location"] == "/en/start"
        empty = await land(sam)
        assert "0 of 13 done" in empty
        assert "Nothing waits for you" in empty
        assert "Premiers pas" in await land(sam, "fr")
        await open_catalogue()
        assert "7 of 13 done" in await land(sam)
        await identity.add_subscribers([7])
        await consent.give(7, "presence.statistics")
        await seal_week()
        assert "11 of 13 done" in await land(sam)
        partner = await make_partner()
        assert "Company to vet Atelier" in await land(sam)
        await identity.vet_partner(partner, "Sam")
        assert "12 of 13 done" in await land(sam)


async def test_a_steward_sees_what_waits() -> None:
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    await open_catalogue("lyon", "nowhere")
    await seal_week()
    await seal_week("nowhere")
    await execute("DELETE FROM offer WHERE dataset = 'nowhere'")
    waiting = await seal_week(weeks_ago=1, state="assessed", sealed_at=None)
    await execute("UPDATE dataset SET budget_micro = spent_micro + epsilon_micro WHERE code = 'lyon'")
    await execute(
        """INSERT INTO build_request (id, dataset, period_from, period_to, asked_by, asked_at, ended_at, refusal)
           SELECT $1, 'lyon', $2::timestamptz - interval '1 day', $2, 'Sam', $2, $2, '{"sentence": "There is nothing here.", "fields": {}}'""",
        uuid.uuid4(),
        clock.now(),
    )
    async with Browser() as sam:
        await sam.sign_in("sam@partage.example")
        seen = await land(sam)
        for sentence in (
            "Release that passed the gate, to publish",
            "Published, but not on sale",
            "Build that was refused",
            "One release more at most",
        ):
            assert sentence in seen
        for path in re.findall(r'<td><a href="(/en/[^"]+)"', (await sam.get("/en/start")).text):
            assert (await sam.get(path)).status_code == 200, path
        await withdraw_offer("lyon")
        assert (await land(sam)).count("Published, but not on sale") == 1, "who withdrew an offer knows"
    await execute("UPDATE release SET state = 'noised' WHERE id = $1", waiting)


async def test_finance_and_the_auditor_are_led_until_nothing_is_missing() -> None:
    for name, role in (("nora", "finance"), ("ada", "auditor")):
        await add_staff(f"{name}@partage.example", name, role, PASSWORD)
    async with Browser() as nora, Browser() as ada, Browser() as claire:
        await make_partner()
        await claire.sign_in("claire@atelier.example")
        assert (await claire.get("/en/start")).status_code == 403
        await nora.sign_in("nora@partage.example")
        await ada.sign_in("ada@partage.example")
        seen = await land(nora)
        assert "Connect Stripe" in seen
        assert "Import a bank statement" in seen
        assert "Un relevé bancaire" in await land(ada, "fr")
        await add_staff("hugo@partage.example", "Hugo", "finance", PASSWORD)
        await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
        await open_catalogue()
        await seal_week()
        assert "3 of 4 done" in await land(ada)


async def test_a_partner_is_led_from_signing_up_to_the_first_dataset() -> None:
    partner = await make_partner()
    async with Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        seen = await land(claire, at="first-steps")
        assert "0 of 6 done" in seen
        assert "A steward vets your company waits for a steward" in seen
        assert "attente" in await land(claire, "fr", at="first-steps")
        assert (await claire.get("/en/start")).status_code == 403
        person = await fetch_value("SELECT id FROM person")
        await confirm_email(person)
        await identity.vet_partner(partner, "Sam")
        await execute(
            """INSERT INTO billing_details (partner, street, postcode, city, reference, changed_at)
               VALUES ($1, '1 rue X', '75001', 'Paris', '', $2)""",
            partner,
            clock.now(),
        )
        await open_catalogue()
        await seal_week()
        assert "3 of 6 done" in await land(claire, at="first-steps")
        await claire.submit("/en/datasets/lyon/quotes", {"release": str(await fetch_value("SELECT id FROM release"))})
        assert "4 of 6 done" in await land(claire, at="first-steps")
        other = await make_partner("Refused", "eve@other.example")
        await identity.refuse_partner(other, "Not a company.")
        await claire.sign_in("eve@other.example")
        assert "did not accept your company: Not a company." in await land(claire, at="first-steps")
