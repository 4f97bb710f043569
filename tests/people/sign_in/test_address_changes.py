"""A changed address through real mail: both mailboxes are asked, silence agrees after a week, and the old one may undo."""

import datetime as dt
import re

import pytest

from marketplace.core import clock
from marketplace.core.errors import Conflict, Expired, NotFound
from marketplace.people.identity import actions as identity
from marketplace.people.identity import credentials
from marketplace.people.identity.actions import claim_line
from marketplace.people.mail.actions import send_mail
from marketplace.people.sign_in import address_changes as changes
from marketplace.people.sign_in.recovery_actions import request_reset, reset_password
from tests.people.builders import (
    NEW_ADDRESS,
    OLD_ADDRESS,
    PASSWORD,
    Browser,
    PostOffice,
    email_of,
    link_in_letter,
    make_confirmed_person,
    make_partner,
    page_text,
    path_in_letter,
    person_of,
)
from tests.support.reads import fetch, fetch_value

DAY = dt.timedelta(days=1)


async def test_both_mailboxes_agree_and_the_old_one_undoes_it(office: PostOffice) -> None:
    person = await make_confirmed_person()
    async with Browser() as claire, Browser() as mailbox:
        await claire.sign_in(OLD_ADDRESS)
        assert (await claire.submit("/en/profile/address", {"email": OLD_ADDRESS})).status_code == 422
        assert (await claire.submit("/en/profile/address", {"email": NEW_ADDRESS.upper()})).status_code == 303
        page = page_text(await claire.get("/en/profile/address"))
        assert f"New address: {NEW_ADDRESS}" in page
        assert "its letter is not answered yet" in page
        new, old = await path_in_letter(office, NEW_ADDRESS), await path_in_letter(office, OLD_ADDRESS)
        assert NEW_ADDRESS in page_text(await mailbox.get(new))
        assert await email_of(person) == OLD_ADDRESS, "to look changes nothing"
        assert "Noted" in page_text(await mailbox.submit(new, {"answer": "yes"}))
        assert await email_of(person) == OLD_ADDRESS
        assert (await mailbox.submit(new.replace("/new/", "/old/"), {"answer": "yes"})).status_code == 404
        assert "Done" in page_text(await mailbox.submit(old, {"answer": "yes"}))
        assert await email_of(person) == NEW_ADDRESS
        assert (await mailbox.get(old)).status_code == 410
        assert (await mailbox.sign_in(OLD_ADDRESS)).status_code == 401
        assert (await mailbox.sign_in(NEW_ADDRESS)).status_code == 303
        undo = await path_in_letter(office, OLD_ADDRESS)
        assert "Undone" in page_text(await mailbox.submit(undo, {"answer": "undo"}))
        assert await email_of(person) == OLD_ADDRESS
        assert (await mailbox.get(undo)).status_code == 410
        assert (await claire.get("/en/keys")).status_code == 303, "every session has ended"
        assert (await claire.sign_in(OLD_ADDRESS)).status_code == 303
    tables = ("address_change", "message", "letter")
    stored = "".join([str(dict(row)) for table in tables for row in await fetch(f"SELECT * FROM {table}")])
    assert "example" not in stored, "addresses are sealed"


async def test_silence_agrees_after_a_week_and_a_refusal_ends_it(office: PostOffice) -> None:
    person = await make_confirmed_person()
    await changes.request_change(person, NEW_ADDRESS)
    new = (await path_in_letter(office, NEW_ADDRESS)).rpartition("/")[2]
    assert not await changes.answer("new", new, agrees=True)
    with clock.shifted(6 * DAY):
        assert await changes.make_agreed_changes() == 0
    with clock.shifted(7 * DAY + dt.timedelta(minutes=1)):
        assert await changes.make_agreed_changes() == 1
        assert await changes.make_agreed_changes() == 0
        assert await email_of(person) == NEW_ADDRESS
        undo = (await path_in_letter(office, OLD_ADDRESS)).rpartition("/")[2]
    with clock.shifted(15 * DAY), pytest.raises(Expired):
        await changes.answer("undo", undo, agrees=False)
    await changes.request_change(person, "third@new.example")
    refused = (await path_in_letter(office, NEW_ADDRESS)).rpartition("/")[2]
    async with Browser() as claire:
        await claire.sign_in(NEW_ADDRESS)
        await changes.answer("old", refused, agrees=False)
        assert (await claire.get("/en/keys")).status_code == 303, "who asked is signed out"
    third = (await path_in_letter(office, "third@new.example")).rpartition("/")[2]
    with pytest.raises(Expired):
        await changes.answer("new", third, agrees=True)
    with pytest.raises(NotFound):
        await changes.answer("new", third[:-1] + "x", agrees=True)
    with clock.shifted(40 * DAY):
        await changes.delete_old_changes()
        assert await fetch_value("SELECT count(*) FROM address_change") == 0


async def test_a_new_password_gives_up_the_change_and_the_links_that_wait(office: PostOffice) -> None:
    """The attack: a thief with a session asks for another address, and counts on a week of silence."""
    person = await make_confirmed_person()
    await changes.request_change(person, NEW_ADDRESS)
    new = (await path_in_letter(office, NEW_ADDRESS)).rpartition("/")[2]
    await request_reset(OLD_ADDRESS)
    link = await link_in_letter()
    async with Browser() as claire:
        await claire.sign_in(OLD_ADDRESS)
        fields = {"current": PASSWORD, "password": "eleven purple lanterns"}
        assert (await claire.submit("/en/profile/password", fields)).status_code == 303
    with pytest.raises(Expired):
        await changes.answer("new", new, agrees=True)
    with pytest.raises(Expired):
        await reset_password(link, "another violet evening")
    with clock.shifted(8 * DAY):
        assert await changes.make_agreed_changes() == 0
    assert await email_of(person) == OLD_ADDRESS


async def test_an_address_that_somebody_else_has_confirmed_is_refused(office: PostOffice) -> None:
    """Nor does asking for it say that it is known; and a later change takes the place of one that waits."""
    person = await make_confirmed_person()
    other = await make_confirmed_person("eve@other.example")
    await changes.request_change(person, "eve@other.example")
    new = (await path_in_letter(office, "eve@other.example")).rpartition("/")[2]
    await changes.answer("new", new, agrees=True)
    with pytest.raises(Conflict, match="Another account"):
        await changes.answer("old", (await path_in_letter(office, OLD_ADDRESS)).rpartition("/")[2], agrees=True)
    with clock.shifted(8 * DAY):
        assert await changes.make_agreed_changes() == 0
    assert (await email_of(person), await email_of(other)) == (OLD_ADDRESS, "eve@other.example")
    await changes.request_change(person, NEW_ADDRESS)
    await changes.request_change(person, "later@new.example")
    with pytest.raises(Expired):
        await changes.answer("new", (await path_in_letter(office, NEW_ADDRESS)).rpartition("/")[2], agrees=True)
    await changes.give_up_change(person)
    assert await changes.find_change(person) is None


async def test_an_address_that_nobody_confirmed_is_not_waited_for(office: PostOffice) -> None:
    """A subscriber who mistyped it: the letter to the new address is enough; what is stored stays sealed."""
    await identity.add_subscribers([7])
    [(line, code)] = await identity.issue_activation_codes([7])
    person = await claim_line(line, code, email="lucy@mistyped.example", name="Lucie", password=PASSWORD)
    await changes.request_change(person, "lucie@right.example")
    assert await changes.answer(
        "new", (await path_in_letter(office, "lucie@right.example")).rpartition("/")[2], agrees=True
    )
    assert await email_of(person) == "lucie@right.example"
    assert "right" not in await fetch_value("SELECT email FROM person WHERE subscriber = 7")
    async with Browser() as lucie:
        assert (await lucie.sign_in("lucie@right.example")).status_code == 303


async def test_undoing_gives_a_stranger_no_address_that_they_never_had(office: PostOffice) -> None:
    """Eve signs up with Claire's address and changes it: Claire takes the letter for one about her own account."""
    await make_partner("Atelier", OLD_ADDRESS)
    eve = await identity.create_partner(
        company="Evil", country="US", vat_number="", name="Eve", email=OLD_ADDRESS, password="eve prefers corridors"
    )
    person = await fetch_value("SELECT id FROM person WHERE partner = $1", eve)
    await changes.request_change(person, NEW_ADDRESS)
    assert await changes.answer("new", (await path_in_letter(office, NEW_ADDRESS)).rpartition("/")[2], agrees=True)
    await changes.answer("undo", (await path_in_letter(office, OLD_ADDRESS)).rpartition("/")[2], agrees=False)
    assert await email_of(person) == OLD_ADDRESS
    assert not await fetch_value("SELECT count(*) FROM person WHERE email_confirmed_at IS NOT NULL")
    async with Browser() as claire:
        assert (await claire.sign_in(OLD_ADDRESS)).status_code == 303, "her account has her address still"


async def test_undoing_is_final(office: PostOffice) -> None:
    """A thief who changed the address twice has no link left that works: to undo, to reset, to change."""
    person = await make_confirmed_person()

    async def change_to(email: str, old: str) -> str:
        """Change the address, and return what the letter's link would undo it with."""
        await changes.request_change(person, email)
        assert not await changes.answer("new", (await path_in_letter(office, email)).rpartition("/")[2], agrees=True)
        assert await changes.answer("old", (await path_in_letter(office, old)).rpartition("/")[2], agrees=True)
        return (await path_in_letter(office, old)).rpartition("/")[2]

    undo = await change_to(NEW_ADDRESS, OLD_ADDRESS)
    undo_of_that = await change_to("third@new.example", NEW_ADDRESS)
    await changes.request_change(person, "fourth@new.example")
    waiting = (await path_in_letter(office, "fourth@new.example")).rpartition("/")[2]
    agreed = (await path_in_letter(office, "third@new.example")).rpartition("/")[2]
    await changes.answer("old", agreed, agrees=True)
    await request_reset("third@new.example")
    await send_mail()
    text = [letter.get_body(("plain",)).get_content() for _, to, letter in office.letters if to == "third@new.example"]
    [reset] = re.findall(r"/reset/(\S+)", "".join(text))
    await changes.answer("undo", undo, agrees=False)
    assert await email_of(person) == OLD_ADDRESS
    with pytest.raises(Expired):
        await changes.answer("undo", undo_of_that, agrees=False)
    with pytest.raises(Expired):
        await changes.answer("new", waiting, agrees=True)
    with pytest.raises(Expired):
        await reset_password(reset, "a thief's own sentence")
    assert await email_of(person) == OLD_ADDRESS


async def test_a_change_that_is_made_late_can_be_undone_as_long(office: PostOffice) -> None:
    """The row that undoes it outlives the undoing; and a new password gives up a change that waits."""
    person = await make_confirmed_person()
    await changes.request_change(person, NEW_ADDRESS)
    new = (await path_in_letter(office, NEW_ADDRESS)).rpartition("/")[2]
    with clock.shifted(30 * DAY), pytest.raises(Expired):
        await changes.answer("new", new, agrees=True)
    with clock.shifted(changes.MAY_WAIT - dt.timedelta(hours=1)):
        assert await changes.answer("new", new, agrees=True)
        undo = (await path_in_letter(office, OLD_ADDRESS)).rpartition("/")[2]
    with clock.shifted(changes.MAY_WAIT + changes.UNDO_LASTS - dt.timedelta(hours=2)):
        await changes.delete_old_changes()
        await changes.answer("undo", undo, agrees=False)
    assert await email_of(person) == OLD_ADDRESS
    await changes.request_change(person, "third@new.example")
    await request_reset(OLD_ADDRESS)
    await send_mail()
    texts = [letter.get_body(("plain",)).get_content() for _, to, letter in office.letters if to == OLD_ADDRESS]
    (found,) = filter(None, (re.search(r"/reset/(\S+)", text) for text in texts))
    await reset_password(found[1], "another quite long sentence")
    assert await changes.find_change(person) is None


async def test_the_page_of_the_address_sends_its_letter_again(office: PostOffice) -> None:
    await make_partner()
    async with Browser() as claire:
        await claire.sign_in(OLD_ADDRESS)
        assert "Not confirmed yet" in page_text(await claire.get("/en/profile/address"))
        asked = await claire.submit("/en/profile/confirm-address", {})
        assert "A letter is on its way" in page_text(await claire.get(asked.headers["location"]))
        await send_mail()
        assert [to for _, to, _ in office.confirmations] == [OLD_ADDRESS, OLD_ADDRESS], "after the first one"
        await credentials.confirm_email(await person_of(OLD_ADDRESS))
        assert "Not confirmed yet" not in page_text(await claire.get("/en/profile/address"))
