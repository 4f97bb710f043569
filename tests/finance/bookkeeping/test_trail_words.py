"""The audit trail's fields in words: an offer's amounts are amounts in the reader's language."""

from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.guards import COOKIE, begin_session
from tests.people.builders import Browser, make_staff, page_text


async def test_fields_and_amounts_of_an_offer_are_in_words() -> None:
    ada = await make_staff("Ada")
    await note_action(ada, "offer_made", "lyon", after={"least_minor": 200_000, "number": 28})
    async with Browser() as browser:
        browser.client.cookies.set(COOKIE, (await begin_session(ada.person)).value or "")
        shown = " ".join(page_text(await browser.get("/fr/finance/audit")).split())
    assert "Montant minimal : 2 000,00 €" in shown
    assert "Version : 28" in shown
