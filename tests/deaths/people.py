"""People and what is noted of them: letters, addresses, seals, what is over, the trail of staff and the public log."""

import datetime as dt
import os
from typing import Any

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.oversight.public_log.queries import count_entries, list_entries
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity import actions as identity
from marketplace.people.identity.credentials import confirm_email
from marketplace.people.sign_in import address_changes as changes
from tests.deaths.story import Story
from tests.oversight.builders import log_folder, log_key, state_facts, verify
from tests.people.builders import (
    NEW_ADDRESS,
    PASSWORD,
    make_confirmed_person,
    make_partner,
    make_staff,
    open_post_office,
    path_in_letter,
    serving_vies,
)
from tests.support.reads import fetch_value

DAY = dt.timedelta(days=1)


async def write_letters(story: Story) -> None:
    """Send a letter, and change an address once a week has passed."""
    office = story.beside.enter_context(open_post_office())
    person = await make_confirmed_person()
    await make_partner("Other", "eve@other.example")
    letters = office.confirmations
    story.state.others.append((letters, lambda sent: {f"{to} {letter['Message-ID']}" for _, to, letter in sent}))
    await story.work("send-mail")
    await changes.request_change(person, NEW_ADDRESS)
    new = (await path_in_letter(office, NEW_ADDRESS)).rpartition("/")[2]
    assert not await changes.answer("new", new, agrees=True)
    story.pass_time(7 * DAY + dt.timedelta(minutes=1))
    await story.work("change-addresses")


async def keep_people(story: Story) -> None:
    """Seal names by a new key, have a VAT number confirmed, and delete what is over."""
    old, new = f"old:{'1' * 64}", f"new:{'2' * 64}"
    story.set(PARTAGE_IDENTITY_KEYS=old)
    await identity.add_subscribers([7])
    [(_, code)] = await identity.issue_activation_codes([7])
    person = await identity.claim_line(7, code, email="ana@example.org", name="Anaïs", password=PASSWORD)
    await confirm_email(person)
    story.set(PARTAGE_IDENTITY_KEYS=f"{new},{old}")
    await story.work("reseal-names")
    assert await fetch_value("SELECT key_id FROM person") == "new"
    vies = story.beside.enter_context(serving_vies())
    story.set(VIES_URL=vies["url"])
    await make_partner()
    await story.work("confirm-vat")
    assert await fetch_value("SELECT vat_confirmed_at IS NOT NULL FROM partner")
    await execute(
        "INSERT INTO passkey_challenge (session_hash, person, challenge, created_at) VALUES ('s', $1, 'x', $2)",
        person,
        clock.now(),
    )
    story.pass_time(398 * DAY)
    await story.work("enforce-retention")
    assert await fetch_value("SELECT count(*) FROM passkey_challenge") == 0


async def note(story: Story) -> None:
    """Note what staff did, link and copy it, and keep the public log of facts."""
    nora = await make_staff("Nora")
    story.set(PARTAGE_TRAIL_COPY=os.environ["PARTAGE_STATE"] + "/trail")
    await execute(
        "INSERT INTO staff_request (at, person, route, subject) VALUES ($1, $2, 'POST /x', 'order 1')",
        clock.now(),
        nora.person,
    )
    story.pass_time(2 * dt.timedelta(hours=1))
    await story.work("note-lost-requests")
    for number in range(3):
        await note_action(nora, "thing_done", number)
    await story.work("link-trail", "copy-trail")
    for day, job in enumerate(("keep-log", "keep-log next day")):
        await state_facts(3 * day, 3 * day + 3)
        story.pass_time(DAY)
        await story.work(job, unlike=("log_head", "files"), check=check_log)
    stated = [one.subject for one in await list_entries(0, await count_entries()) if one.kind == "auction_closed"]
    assert stated == [f"auction {number}" for number in range(6)]


async def check_log() -> None:
    """Refuse a log whose files are not its entries, or whose heads contradict each other."""
    status, printed = verify("--key", await log_key(), "--tiles", await log_folder())
    assert status == 0, printed


STORIES: dict[Any, str] = {
    write_letters: "send-mail, change-addresses",
    keep_people: "reseal-names, confirm-vat, enforce-retention",
    note: "note-lost-requests, link-trail, copy-trail, keep-log, keep-log next day",
}
