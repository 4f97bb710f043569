"""Letters through a real SMTP server: each once, in the reader's language, whatever the server does."""

import asyncio
import datetime as dt
import os
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.database import execute, fetch_scalar, transaction
from marketplace.core.settings import settings
from marketplace.people.identity import actions as identity
from marketplace.people.mail import actions as mail
from marketplace.people.mail import rules
from marketplace.people.message_kinds import PARTNER_VETTED
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from tests.people.builders import Browser, PostOffice, add_staff, make_known_partner, make_staff
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until

LATER = dt.timedelta(minutes=20)


async def vet(email: str = "claire@atelier.example") -> uuid.UUID:
    """Sign a company up and vet it: one message to one person."""
    partner = await make_known_partner("Atelier", email)
    await identity.vet_partner(partner, "a steward")
    return partner


async def endings() -> list[str | None]:
    return [row["ended"] for row in await fetch("SELECT ended FROM letter ORDER BY created_at, id")]


async def test_a_message_is_mailed_once_to_each_person_in_their_language(office: PostOffice) -> None:
    partner = await vet()
    await execute("UPDATE person SET language = 'en' WHERE partner = $1", partner)
    code = await identity.invite_colleague(
        partner, email="nadia@atelier.example", name="Nadia", invitation_id=uuid.uuid4()
    )
    await identity.accept_invitation(code, "a rather long sentence", "fr")
    for _ in range(3):
        await mail.send_mail()
    assert [to for _, to, letter in office.letters if "invite" in letter["Subject"]] == ["nadia@atelier.example"]
    vetted = [(to, letter) for _, to, letter in office.letters if "invite" not in letter["Subject"]]
    by_recipient = dict(vetted)
    assert len(vetted) == len(by_recipient) == 2
    english, french = by_recipient["claire@atelier.example"], by_recipient["nadia@atelier.example"]
    assert english["Subject"] == "Your company may buy"
    assert french["Subject"] == "Votre entreprise peut acheter"
    for letter, language in ((english, "en"), (french, "fr")):
        plain, rich = letter.get_body(("plain",)), letter.get_body(("html",))
        assert plain
        assert rich
        text, html = plain.get_content(), rich.get_content()
        link = f"{settings().url}/{language}/catalogue"
        assert link in text
        assert f'href="{link}"' in html
        assert f'<html lang="{language}">' in html
        assert letter["Auto-Submitted"] == "auto-generated"
        assert letter["List-Unsubscribe"] is None, "a decision about one's company is not for choosing"
    sender = office.letters[0][0]
    assert sender.startswith("bounces+")
    assert sender.endswith("@operator.example")
    assert set(await endings()) == {"sent"}


async def test_a_subscribers_sealed_address_and_a_role_are_reached(office: PostOffice) -> None:
    await identity.add_subscribers([7])
    [(line, code)] = await identity.issue_activation_codes([7])
    await identity.claim_line(line, code, email="lucie@people.example", name="Lucie", password="a rather long sentence")
    await make_staff("Ada", "steward")
    await make_staff("Bob", "finance")
    async with transaction():
        to = [
            Recipient("line", "7"),
            Recipient("role", "steward"),
            Recipient("line", "8"),
            Recipient("person", "nobody"),
        ]
        await send(PARTNER_VETTED, 1, to, company="Atelier")
    await mail.send_mail()
    recipients = sorted(to for _, to, _ in office.letters)
    assert len(recipients) == 2
    assert recipients[1] == "lucie@people.example" or recipients[0] == "lucie@people.example"
    assert any(to.endswith("@staff.example") for to in recipients)


async def test_a_server_that_is_not_there_is_asked_again_ever_later(office: PostOffice) -> None:
    await vet()
    port = os.environ["SMTP_URL"]
    os.environ["SMTP_URL"] = "smtp://127.0.0.1:9"
    settings.cache_clear()
    waits = []
    for attempt in range(4):
        with clock.shifted(dt.timedelta(hours=attempt)):
            await mail.send_mail()
            next_at = await fetch_scalar(dt.datetime, "SELECT next_at FROM letter")
            assert next_at
            waits.append(round((next_at - clock.now()).total_seconds()))
    assert waits == sorted(waits)
    assert waits[0] == pytest.approx(30, abs=20)
    assert waits[3] == pytest.approx(30 * 64, abs=60)
    os.environ["SMTP_URL"] = port
    settings.cache_clear()
    with clock.shifted(dt.timedelta(days=1)):
        await mail.send_mail()
    assert len(office.letters) == 1
    assert await endings() == ["sent"]


async def test_what_is_declined_for_now_is_tried_again_and_for_good_is_not(office: PostOffice) -> None:
    await vet()
    office.to_recipient = "451 4.3.0 later"
    await mail.send_mail()
    office.to_recipient, office.to_letter = "", "452 4.3.1 no space"
    with clock.shifted(LATER):
        await mail.send_mail()
    assert await endings() == [None]
    assert await fetch_scalar(int, "SELECT open_hand_overs FROM letter") == 0, "the answer came: nothing was accepted"
    office.to_letter = "554 5.7.1 we do not want this claire@atelier.example"
    with clock.shifted(2 * LATER):
        await mail.send_mail()
    assert await endings() == ["refused"]
    assert await fetch_scalar(str, "SELECT answer FROM letter") == "554 5.7.1", "no text, which has the address in it"
    assert await fetch_scalar(int, "SELECT count(*) FROM dead_address") == 0, "that was about the letter"
    office.to_letter = ""
    with clock.shifted(3 * LATER):
        await mail.send_mail()
    assert office.letters == []


async def test_an_address_that_receives_nothing_is_asked_no_more_until_it_changes(office: PostOffice) -> None:
    partner = await vet()
    office.to_recipient = "550 5.1.1 no such mailbox"
    await mail.send_mail()
    office.to_recipient = ""
    await identity.refuse_partner(partner, "No such company.")
    await mail.send_mail()
    assert sorted(filter(None, await endings())) == ["refused", "unreachable"]
    await execute("UPDATE person SET email = 'claire@new.example' WHERE partner = $1", partner)
    await identity.vet_partner(partner, "a steward")
    await mail.send_mail()
    assert [to for _, to, _ in office.letters] == ["claire@new.example"] * len(office.letters)


async def test_a_server_that_does_not_want_us_costs_no_letter(office: PostOffice) -> None:
    await vet()
    office.to_sender = "530 5.7.0 authentication required"
    await mail.send_mail()
    assert await endings() == [None]
    office.to_sender = ""
    with clock.shifted(LATER):
        await mail.send_mail()
    assert await endings() == ["sent"]


async def test_an_answer_that_never_comes_makes_one_duplicate_at_most(office: PostOffice) -> None:
    await vet()
    office.hangs.set()
    for attempt in range(4):
        with clock.shifted(attempt * LATER):
            await mail.send_mail()
    assert len(office.letters) == 2
    assert len(set(office.ids())) == 1
    assert office.letters[0][2].as_bytes() == office.letters[1][2].as_bytes()
    assert await endings() == ["unknown"]


async def test_a_letter_is_given_up_after_five_days(office: PostOffice) -> None:
    await vet()
    office.to_recipient = "450 4.2.2 full"
    await mail.send_mail()
    with clock.shifted(rules.PATIENCE):
        await mail.send_mail()
    assert await endings() == ["expired"]
    assert await mail.delete_old_mail() == 0
    with clock.shifted(dt.timedelta(days=96)):
        await mail.delete_old_mail()
    assert await endings() == []


async def test_the_steward_sees_what_reached_nobody_and_sends_it_again(office: PostOffice) -> None:
    await add_staff("ada@staff.example", "Ada", "steward", "a rather long sentence")
    await vet()
    office.to_recipient = "550 5.1.1 no such mailbox"
    await mail.send_mail()
    office.to_recipient = ""
    letter = await fetch_scalar(uuid.UUID, "SELECT id FROM letter WHERE ended = 'refused'")
    async with Browser() as ada:
        await ada.sign_in("ada@staff.example")
        assert "550 5.1.1" in (await ada.get("/en/staff/mail")).text
        await ada.submit(f"/en/staff/mail/{letter}/again", {})
        await mail.send_mail()
        assert "Every letter was accepted." in (await ada.get("/en/staff/mail")).text
    assert "claire@atelier.example" in [to for _, to, _ in office.letters]


async def test_nothing_is_mailed_where_no_server_is_set_nor_later(office: PostOffice) -> None:
    address = os.environ.pop("SMTP_URL")
    settings.cache_clear()
    await vet()
    await mail.send_mail()
    os.environ["SMTP_URL"] = address
    settings.cache_clear()
    await mail.send_mail()
    assert office.letters == []


async def test_letters_of_people_who_are_erased_go_with_them(office: PostOffice) -> None:
    partner = await vet()
    await mail.send_mail()
    person = await fetch_scalar(uuid.UUID, "SELECT id FROM person WHERE partner = $1", partner)
    assert person
    assert await mail.delete_old_mail() == 0
    await identity.erase_person(person)
    assert await mail.delete_old_mail() == 1
    assert await endings() == []
    assert office.letters


async def test_an_old_message_is_not_deleted_under_letters_that_are_being_written(office: PostOffice) -> None:
    await vet()
    written, over = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with transaction():
            await mail.address_letters()
            written.set()
            await over.wait()

    with clock.shifted(dt.timedelta(days=500)):
        writing = asyncio.create_task(write())
        await written.wait()
        deleting = asyncio.create_task(mail.delete_old_mail())
        await until(lambda: deleting.done() or fetch_value("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"))
        over.set()
        await asyncio.gather(writing, deleting)
        assert await fetch_value("SELECT count(*) FROM message") == 1
        await mail.send_mail()
        assert office.letters
