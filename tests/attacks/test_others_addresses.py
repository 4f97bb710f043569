"""Somebody signs up with another's address: its owner signs up all the same, and it is theirs as soon as they confirm it."""

import pytest

from marketplace.core.errors import Conflict
from marketplace.people.identity import actions, rules
from marketplace.people.identity.credentials import confirm_email, list_accounts
from marketplace.people.identity.names import SEALED
from marketplace.people.messages.links import link_token
from marketplace.people.sign_in import recovery_actions as recovery
from tests.people.builders import PASSWORD, Browser, make_partner, page_text
from tests.support.reads import fetch_value

CLAIRE, EVES, GUESS = "claire@atelier.example", "eve prefers long corridors", "guess guess guess"


async def eve_signs_up() -> None:
    """Take Claire's address before she comes."""
    await actions.create_partner(company="Evil", country="US", vat_number="", name="Eve", email=CLAIRE, password=EVES)


async def test_its_owner_signs_up_confirms_and_the_stranger_loses_it() -> None:
    await eve_signs_up()
    await make_partner()
    eve, claire = (await actions.sign_in(CLAIRE, EVES)).id, (await actions.sign_in(CLAIRE, PASSWORD)).id
    assert eve != claire
    await confirm_email(claire)
    assert (await actions.sign_in(CLAIRE, PASSWORD)).id == claire
    with pytest.raises(rules.WrongSecret):
        await actions.sign_in(CLAIRE, EVES)
    assert (await fetch_value("SELECT email FROM person WHERE id = $1", eve)).endswith(SEALED)
    with pytest.raises(Conflict):
        await eve_signs_up_and_confirms()
    assert (await actions.sign_in(CLAIRE, PASSWORD)).id == claire


async def eve_signs_up_and_confirms() -> None:
    await eve_signs_up()
    await confirm_email(await fetch_value("SELECT id FROM person WHERE name = 'Eve' ORDER BY created_at DESC LIMIT 1"))


async def test_a_subscriber_has_no_less() -> None:
    await eve_signs_up()
    await actions.add_subscribers([7])
    [(_, code)] = await actions.issue_activation_codes([7])
    lucie = await actions.claim_line(7, code, email=CLAIRE, name="Lucie", password=PASSWORD)
    await confirm_email(lucie)
    assert (await actions.sign_in(CLAIRE, PASSWORD)).id == lucie
    assert [one.id for one in await list_accounts(CLAIRE)] == [lucie]


async def test_a_stranger_who_signs_in_clears_no_failures_of_the_owner() -> None:
    """Else four guesses at the owner's password and one own right one would go on for ever."""
    await make_partner()
    await eve_signs_up()
    judged = 0
    for number in range(12):
        try:
            await actions.sign_in(CLAIRE, EVES if number % 4 == 3 else GUESS, address="203.0.113.7")
        except rules.WrongSecret:
            judged += 1
        except rules.TooManyAttempts:
            pass
    assert judged == rules.FREE_ATTEMPTS


async def test_a_strangers_browser_is_not_the_owners() -> None:
    await make_partner()
    await eve_signs_up()
    async with Browser() as eve:
        await eve.sign_in(CLAIRE, EVES)
        await eve.submit("/en/sign-out", {})
        answers = [(await eve.sign_in(CLAIRE, GUESS)).status_code for _ in range(7)]
        assert answers == [401] * 5 + [429] * 2


async def test_a_link_lets_the_owner_choose_which_account_is_hers() -> None:
    await eve_signs_up()
    await make_partner()
    claire = (await actions.sign_in(CLAIRE, PASSWORD)).id
    await recovery.request_reset(CLAIRE)
    source = await fetch_value("SELECT source_id FROM message WHERE kind = 'password_reset'")
    path = f"/en/reset/{source}.{link_token('password_reset', source)}"
    async with Browser() as browser:
        page = page_text(await browser.get(path))
        assert "Evil" in page
        assert "Atelier" in page
        sent = {"password": "eleven purple lanterns", "account": str(claire)}
        assert (await browser.submit(path, sent, seen_at=path)).status_code == 303
    assert (await actions.sign_in(CLAIRE, "eleven purple lanterns")).id == claire
    with pytest.raises(rules.WrongSecret):
        await actions.sign_in(CLAIRE, EVES)


async def test_many_strangers_at_an_address_keep_its_owner_out_of_nothing() -> None:
    """Neither of signing up, nor of signing in with the browser that did, nor of choosing her account by a letter."""
    for number in range(actions.MOST_PEOPLE + 7):
        await actions.create_partner(
            company=f"Evil {number}", country="US", vat_number="", name="Eve", email=CLAIRE, password=EVES
        )
    form = {"company": "Atelier", "country": "US", "vat_number": "", "name": "Claire"}
    async with Browser() as claire:
        signed_up = await claire.submit("/en/sign-up", {**form, "email": CLAIRE, "password": PASSWORD})
        assert signed_up.headers["location"] == "/en/first-steps", page_text(signed_up)
        await claire.submit("/en/sign-out", {})
        assert (await claire.sign_in(CLAIRE)).status_code == 303
        assert (await claire.sign_in(CLAIRE, EVES)).status_code == 303, "and Eve is who she says, until Claire confirms"
    assert "Atelier" in [one.company for one in await list_accounts(CLAIRE)]


async def test_a_stranger_who_is_erased_clears_no_failures_of_the_owner() -> None:
    """Else who signs up with her address, guesses and erases themselves would guess for ever."""
    await make_partner()
    mine, of_claire = "SELECT count(*) FROM sign_in_attempt WHERE subject = $1", rules.digest(f"email:{CLAIRE}")
    for number in range(3):
        with pytest.raises(rules.WrongSecret):
            await actions.sign_in(CLAIRE, GUESS, address=f"203.0.113.{number}")
    await eve_signs_up()
    await actions.erase_person(await fetch_value("SELECT id FROM person WHERE name = 'Eve'"))
    assert await fetch_value(mine, of_claire) == 3
    await actions.erase_person(await fetch_value("SELECT id FROM person"))
    assert await fetch_value(mine, of_claire) == 0


async def test_a_letter_says_for_whose_account_its_click_is() -> None:
    """Eve signs up with Claire's address too, and hopes that Claire takes the letter for her own."""
    await make_partner()
    await eve_signs_up()
    eve = await fetch_value("SELECT id FROM person WHERE name = 'Eve'")
    await recovery.request_confirmation(eve)
    of_eve = "SELECT source_id FROM message WHERE kind = 'confirm_address' AND recipient = $1"
    source = await fetch_value(of_eve, str(eve))
    path = f"/en/confirm-address/{source}.{link_token('confirm_address', source)}"
    async with Browser() as browser:
        page = page_text(await browser.get(path))
        assert "Evil" in page
        assert "Other accounts were opened with this address" in page
        await confirm_email((await actions.sign_in(CLAIRE, PASSWORD)).id)
        assert (await browser.get(path)).status_code == 410
