"""A changed address through real mail: both mailboxes are asked, silence agrees after a week, and the old one may undo."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest

from marketplace import clock
from marketplace.errors import Conflict, Expired, NotFound
from marketplace.identity import actions as identity
from marketplace.identity import credentials
from marketplace.identity.actions import claim_line
from marketplace.mail.actions import send_mail
from marketplace.recovery import address_changes as changes
from marketplace.recovery.actions import request_reset, reset_password
from tests.marketplace.identity.site import PASSWORD, Browser, make_partner, text_of
from tests.marketplace.mail.post_office import PostOffice, open_post_office
from tests.marketplace.recovery.test_recovery import link_in_letter, person_of
from tests.support.reads import fetch, fetch_value

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

OLD, NEW = "claire@atelier.example", "claire@new.example"
DAY = dt.timedelta(days=1)


@pytest.fixture
def office(database_url: str) -> Iterator[PostOffice]:
    del database_url
    with open_post_office() as serving:
        yield serving


async def path_to(office: PostOffice, address: str) -> str:
    """Send what waits, and return the path of the link in the latest letter to this address."""
    await send_mail()
    text = [letter.get_body(("plain",)).get_content() for _, to, letter in office.letters if to == address][-1]
    found = re.search(r"https?://[^/]+(/\w\w/address-change/\S+)", text)
    assert found, text
    return found[1].replace("/fr/", "/en/")


async def confirmed(email: str = OLD) -> uuid.UUID:
    """Return somebody whose address is known to be theirs."""
    await make_partner("Atelier", email)
    person = await person_of(email)
    await credentials.confirm_email(person)
    return person


async def email_of(person: uuid.UUID) -> str:
    found = await credentials.find_identity(person)
    assert found
    return found.email


async def test_both_mailboxes_agree_and_the_old_one_undoes_it(office: PostOffice) -> None:
    person = await confirmed()
    async with Browser() as claire, Browser() as mailbox:
        await claire.sign_in(OLD)
        assert (await claire.submit("/en/profile/address", {"email": OLD})).status_code == 422
        assert (await claire.submit("/en/profile/address", {"email": NEW.upper()})).status_code == 303
        page = text_of(await claire.get("/en/profile/address"))
        assert f"New address: {NEW}" in page
        assert "its letter is not answered yet" in page
        new, old = await path_to(office, NEW), await path_to(office, OLD)
        assert NEW in text_of(await mailbox.get(new))
        assert await email_of(person) == OLD, "to look changes nothing"
        assert "Noted" in text_of(await mailbox.submit(new, {"answer": "yes"}))
        assert await email_of(person) == OLD
        assert (await mailbox.submit(new.replace("/new/", "/old/"), {"answer": "yes"})).status_code == 404
        assert "Done" in text_of(await mailbox.submit(old, {"answer": "yes"}))
        assert await email_of(person) == NEW
        assert (await mailbox.get(old)).status_code == 410
        assert (await mailbox.sign_in(OLD)).status_code == 401
        assert (await mailbox.sign_in(NEW)).status_code == 303
        undo = await path_to(office, OLD)
        assert "Undone" in text_of(await mailbox.submit(undo, {"answer": "undo"}))
        assert await email_of(person) == OLD
        assert (await mailbox.get(undo)).status_code == 410
        assert (await claire.get("/en/keys")).status_code == 303, "every session has ended"
        assert (await claire.sign_in(OLD)).status_code == 303
    tables = ("address_change", "message", "letter")
    stored = "".join([str(dict(row)) for table in tables for row in await fetch(f"SELECT * FROM {table}")])
    assert "example" not in stored, "addresses are sealed"


async def test_silence_agrees_after_a_week_and_a_refusal_ends_it(office: PostOffice) -> None:
    person = await confirmed()
    await changes.request_change(person, NEW)
    new = (await path_to(office, NEW)).rpartition("/")[2]
    assert not await changes.answer("new", new, agrees=True)
    with clock.shifted(6 * DAY):
        assert await changes.make_agreed_changes() == 0
    with clock.shifted(7 * DAY + dt.timedelta(minutes=1)):
        assert await changes.make_agreed_changes() == 1
        assert await changes.make_agreed_changes() == 0
        assert await email_of(person) == NEW
        undo = (await path_to(office, OLD)).rpartition("/")[2]
    with clock.shifted(15 * DAY), pytest.raises(Expired):
        await changes.answer("undo", undo, agrees=False)
    await changes.request_change(person, "third@new.example")
    refused = (await path_to(office, NEW)).rpartition("/")[2]
    async with Browser() as claire:
        await claire.sign_in(NEW)
        await changes.answer("old", refused, agrees=False)
        assert (await claire.get("/en/keys")).status_code == 303, "who asked is signed out"
    third = (await path_to(office, "third@new.example")).rpartition("/")[2]
    with pytest.raises(Expired):
        await changes.answer("new", third, agrees=True)
    with pytest.raises(NotFound):
        await changes.answer("new", third[:-1] + "x", agrees=True)
    with clock.shifted(40 * DAY):
        await changes.delete_old_changes()
        assert await fetch_value("SELECT count(*) FROM address_change") == 0


async def test_a_new_password_gives_up_the_change_and_the_links_that_wait(office: PostOffice) -> None:
    """The attack: a thief with a session asks for another address, and counts on a week of silence."""
    person = await confirmed()
    await changes.request_change(person, NEW)
    new = (await path_to(office, NEW)).rpartition("/")[2]
    await request_reset(OLD)
    link = await link_in_letter()
    async with Browser() as claire:
        await claire.sign_in(OLD)
        fields = {"current": PASSWORD, "password": "eleven purple lanterns"}
        assert (await claire.submit("/en/profile/password", fields)).status_code == 303
    with pytest.raises(Expired):
        await changes.answer("new", new, agrees=True)
    with pytest.raises(Expired):
        await reset_password(link, "another violet evening")
    with clock.shifted(8 * DAY):
        assert await changes.make_agreed_changes() == 0
    assert await email_of(person) == OLD


async def test_an_address_that_somebody_else_has_confirmed_is_refused(office: PostOffice) -> None:
    """Nor does asking for it say that it is known; and a later change takes the place of one that waits."""
    person = await confirmed()
    other = await confirmed("eve@other.example")
    await changes.request_change(person, "eve@other.example")
    new = (await path_to(office, "eve@other.example")).rpartition("/")[2]
    await changes.answer("new", new, agrees=True)
    with pytest.raises(Conflict, match="Another account"):
        await changes.answer("old", (await path_to(office, OLD)).rpartition("/")[2], agrees=True)
    with clock.shifted(8 * DAY):
        assert await changes.make_agreed_changes() == 0
    assert (await email_of(person), await email_of(other)) == (OLD, "eve@other.example")
    await changes.request_change(person, NEW)
    await changes.request_change(person, "later@new.example")
    with pytest.raises(Expired):
        await changes.answer("new", (await path_to(office, NEW)).rpartition("/")[2], agrees=True)
    await changes.give_up_change(person)
    assert await changes.find_change(person) is None


async def test_an_address_that_nobody_confirmed_is_not_waited_for(office: PostOffice) -> None:
    """A subscriber who mistyped it: the letter to the new address is enough; what is stored stays sealed."""
    await identity.add_subscribers([7])
    [(line, code)] = await identity.issue_activation_codes([7])
    person = await claim_line(line, code, email="lucy@mistyped.example", name="Lucie", password=PASSWORD)
    await changes.request_change(person, "lucie@right.example")
    assert await changes.answer("new", (await path_to(office, "lucie@right.example")).rpartition("/")[2], agrees=True)
    assert await email_of(person) == "lucie@right.example"
    assert "right" not in await fetch_value("SELECT email FROM person WHERE subscriber = 7")
    async with Browser() as lucie:
        assert (await lucie.sign_in("lucie@right.example")).status_code == 303


async def test_undoing_gives_a_stranger_no_address_that_they_never_had(office: PostOffice) -> None:
    """Eve signs up with Claire's address and changes it: Claire takes the letter for one about her own account."""
    await make_partner("Atelier", OLD)
    eve = await identity.create_partner(
        company="Evil", country="US", vat_number="", name="Eve", email=OLD, password="eve prefers corridors"
    )
    person = await fetch_value("SELECT id FROM person WHERE partner = $1", eve)
    await changes.request_change(person, NEW)
    assert await changes.answer("new", (await path_to(office, NEW)).rpartition("/")[2], agrees=True)
    await changes.answer("undo", (await path_to(office, OLD)).rpartition("/")[2], agrees=False)
    assert await email_of(person) == OLD
    assert not await fetch_value("SELECT count(*) FROM person WHERE email_confirmed_at IS NOT NULL")
    async with Browser() as claire:
        assert (await claire.sign_in(OLD)).status_code == 303, "her account has her address still"


async def test_undoing_is_final(office: PostOffice) -> None:
    """A thief who changed the address twice has no link left that works: to undo, to reset, to change."""
    person = await confirmed()

    async def change_to(email: str, old: str) -> str:
        """Change the address, and return what the letter's link would undo it with."""
        await changes.request_change(person, email)
        assert not await changes.answer("new", (await path_to(office, email)).rpartition("/")[2], agrees=True)
        assert await changes.answer("old", (await path_to(office, old)).rpartition("/")[2], agrees=True)
        return (await path_to(office, old)).rpartition("/")[2]

    undo = await change_to(NEW, OLD)
    undo_of_that = await change_to("third@new.example", NEW)
    await changes.request_change(person, "fourth@new.example")
    waiting = (await path_to(office, "fourth@new.example")).rpartition("/")[2]
    agreed = (await path_to(office, "third@new.example")).rpartition("/")[2]
    await changes.answer("old", agreed, agrees=True)
    await request_reset("third@new.example")
    await send_mail()
    text = [letter.get_body(("plain",)).get_content() for _, to, letter in office.letters if to == "third@new.example"]
    [reset] = re.findall(r"/reset/(\S+)", "".join(text))
    await changes.answer("undo", undo, agrees=False)
    assert await email_of(person) == OLD
    with pytest.raises(Expired):
        await changes.answer("undo", undo_of_that, agrees=False)
    with pytest.raises(Expired):
        await changes.answer("new", waiting, agrees=True)
    with pytest.raises(Expired):
        await reset_password(reset, "a thief's own sentence")
    assert await email_of(person) == OLD


async def test_a_change_that_is_made_late_can_be_undone_as_long(office: PostOffice) -> None:
    """The row that undoes it outlives the undoing; and a new password gives up a change that waits."""
    person = await confirmed()
    await changes.request_change(person, NEW)
    new = (await path_to(office, NEW)).rpartition("/")[2]
    with clock.shifted(30 * DAY), pytest.raises(Expired):
        await changes.answer("new", new, agrees=True)
    with clock.shifted(changes.MAY_WAIT - dt.timedelta(hours=1)):
        assert await changes.answer("new", new, agrees=True)
        undo = (await path_to(office, OLD)).rpartition("/")[2]
    with clock.shifted(changes.MAY_WAIT + changes.UNDO_LASTS - dt.timedelta(hours=2)):
        await changes.delete_old_changes()
        await changes.answer("undo", undo, agrees=False)
    assert await email_of(person) == OLD
    await changes.request_change(person, "third@new.example")
    await request_reset(OLD)
    await send_mail()
    text = [letter.get_body(("plain",)).get_content() for _, to, letter in office.letters if to == OLD][-1]
    found = re.search(r"/reset/(\S+)", text)
    assert found, text
    await reset_password(found[1], "another quite long sentence")
    assert await changes.find_change(person) is None


async def test_the_page_of_the_address_sends_its_letter_again(office: PostOffice) -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in(OLD)
        assert "Not confirmed yet" in text_of(await claire.get("/en/profile/address"))
        asked = await claire.submit("/en/profile/confirm-address", {})
        assert "A letter is on its way" in text_of(await claire.get(asked.headers["location"]))
        await send_mail()
        assert [to for _, to, _ in office.confirmations] == [OLD, OLD], "after the first one"
        await credentials.confirm_email(await person_of(OLD))
        assert "Not confirmed yet" not in text_of(await claire.get("/en/profile/address"))
