"""Recovery for a subscriber who lost the mailbox: a new letter to the postal address of their contract."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.core.errors import Conflict, Expired, NotAllowed, NotFound
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import credentials, lines, rules
from marketplace.people.identity.sessions import end_other_sessions
from marketplace.people.identity.tables import Person, Subscriber
from marketplace.people.message_kinds import PASSWORD_CHANGED
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.sign_in.address_changes import note_change
from marketplace.people.sign_in.recovery_actions import GONE, void_what_waits

if TYPE_CHECKING:
    from collections.abc import Sequence


async def regain_line(reference: int, code: str, *, email: str, password: str) -> uuid.UUID | None:
    """Give a line's holder another password and address by their new letter's code, once; return their id.

    None if the code is not from such a letter. Earnings, choices and a second factor stay. Every session ends, waiting
    requests are cancelled, and the former mailbox may undo the address for a week.
    """
    holder = await _find_holder(reference, code)
    if holder is None:
        return None
    email, before = rules.clean_email(email), await credentials.find_identity(holder)
    hashed = await credentials.hash_new_password(holder, password)
    async with transaction():
        if before is None or not await lines.use_way_back(reference, code):
            raise Expired(GONE)
        await credentials.set_password(holder, hashed, verb="password_reset")
        await void_what_waits([holder], holder)
        if email != before.email:
            await note_change(holder, before, email)
            await credentials.change_email(holder, email, is_proven=False)
            await credentials.ask_to_confirm(holder, email)
        await send(PASSWORD_CHANGED, f"{holder} {clock.now().isoformat()}", [Recipient("person", str(holder))])
    return holder


async def _find_holder(reference: int, code: str) -> uuid.UUID | None:
    """Return the person who claimed a line, by the code of a later letter to them."""
    fits = Subscriber.activation_code_hash == rules.digest(lines.plain_code(code))
    if not await Subscriber.exists().where(
        Subscriber.reference == reference, fits, Subscriber.claimed_at.is_not_null()
    ):
        return None
    return await fetch_scalar(uuid.UUID, Person.select(Person.id).where(Person.subscriber == reference))


async def write_ways_back(references: Sequence[int]) -> list[tuple[int, str]]:
    """Make a code for the holder of each line, for the operator's letters; unclaimed lines get none."""
    codes = [(line, await lines.issue_way_back(line)) for line in references]
    made = [(line, code) for line, code in codes if code]
    for line, _ in made:
        await note_access(None, "way_back_made", line)
    return made


async def replace_address(old: str, new: str) -> None:
    """Give a person whose mailbox is lost another address, once the operator has recognised them.

    Password and second factor stay; a link sent to the new mailbox replaces a forgotten password. Every session ends,
    waiting requests are cancelled, and the former mailbox may undo the address for a week. Refuses NotFound, an address
    that several people gave, staff (who are removed and invited again), and a new address that somebody else has
    confirmed.
    """
    old, new = rules.clean_email(old), rules.clean_email(new)
    people = await credentials.list_accounts(old)
    if not people:
        raise NotFound("There is no such person.")
    person = people[0].id
    before = await credentials.find_identity(person)
    if len(people) > 1 or before is None:
        raise Conflict("Several people gave that address, and none has confirmed it: each has a letter or a colleague.")
    if await fetch_scalar(str, Person.select(Person.staff_role).where(Person.id == person)):
        raise NotAllowed("Staff are ended, and invited again at their new address.")
    if any(one.email_confirmed_at for one in await credentials.list_accounts(new)):
        raise Conflict("Somebody has confirmed the new address already.")
    async with transaction():
        await end_other_sessions(person, "")
        await void_what_waits([person], person)
        await note_change(person, before, new)
        await credentials.change_email(person, new, is_proven=False)
        await credentials.ask_to_confirm(person, new)
