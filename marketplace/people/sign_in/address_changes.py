"""A change of address: the new mailbox confirms it, the old one agrees, is silent for a week, or undoes it.

So a person who took over a session cannot take the account: the owner's old mailbox is asked first, and is notified
afterwards. A person who lost the old mailbox waits a week. Letters go to the addresses in the row, not to the person's
present one, since one of the two is always the other.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, select, transaction
from marketplace.core.errors import Conflict, Expired, Invalid, NotFound, existing
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import credentials, names, rules, vault
from marketplace.people.identity.addresses import Address, find_address, list_gone
from marketplace.people.identity.guessing import begin_attempt, begin_letter
from marketplace.people.identity.sessions import end_other_sessions
from marketplace.people.message_kinds import ADDRESS_CHANGED, AGREE_TO_NEW_ADDRESS, CONFIRM_NEW_ADDRESS
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.sign_in.recovery_actions import read_link
from marketplace.people.sign_in.recovery_tables import AddressChange, ResetLink

if TYPE_CHECKING:
    from marketplace.core.database import Values
    from marketplace.people.messages.rules import MessageKind

Side: TypeAlias = Literal["new", "old", "undo"]
SILENCE_AGREES_AFTER: Final = dt.timedelta(days=7)
"""How long the old mailbox may refuse before its silence counts as agreement."""
UNDO_LASTS: Final = dt.timedelta(days=7)
"""How long after the change the old mailbox may undo it."""
KEPT_FOR: Final = dt.timedelta(days=31)
MAY_WAIT: Final = KEPT_FOR - UNDO_LASTS - dt.timedelta(days=1)
"""How long both mailboxes may take: a change is not deleted while it can still be undone."""
TABLE: Final = "address_change"
LINE: Final = 0
"""The vault also binds what it seals to a line; a change has none."""
KIND_OF: Final[dict[Side, MessageKind]] = {
    "new": CONFIRM_NEW_ADDRESS,
    "old": AGREE_TO_NEW_ADDRESS,
    "undo": ADDRESS_CHANGED,
}
"""The message kind that brings each side's link."""
OVER: Final = "This change of address is over: it was made, refused, undone, or too old."


class Change(Struct, frozen=True):
    """A change of address as stored."""

    id: uuid.UUID
    person: uuid.UUID
    sealed: bytes
    key_id: str
    created_at: dt.datetime
    new_confirmed_at: dt.datetime | None
    old_confirmed_at: dt.datetime | None
    changed_at: dt.datetime | None
    ended_at: dt.datetime | None

    def addresses(self) -> tuple[str, str]:
        """Return the old and the new address."""
        content = vault.unseal(self.key_id, self.sealed, self.id, LINE, table=TABLE)
        return content["old"], content["new"]

    def had_owner(self) -> bool:
        """Return whether the old address was known to be the person's, so that the old mailbox had to agree."""
        return self.old_confirmed_at != self.created_at

    def is_agreed(self, now: dt.datetime) -> bool:
        """Return whether the old mailbox agreed, or was silent for long enough."""
        return self.old_confirmed_at is not None or now >= self.created_at + SILENCE_AGREES_AFTER

    def is_waiting(self, now: dt.datetime) -> bool:
        """Return whether the change may still be made."""
        return self.changed_at is None and self.ended_at is None and now < self.created_at + MAY_WAIT

    def may_undo(self, now: dt.datetime) -> bool:
        """Return whether the old mailbox may still undo it."""
        return self.changed_at is not None and self.ended_at is None and now < self.changed_at + UNDO_LASTS


async def request_change(person: uuid.UUID, email: str, address: str = "") -> None:
    """Ask both mailboxes about a person's new email; it replaces a waiting change. address: where the request is from.

    Nothing here reveals whether somebody else has the address; only its mailbox learns that.
    """
    email = rules.clean_email(email)
    await begin_attempt(f"address:{person}")
    identity = existing(await credentials.find_identity(person), NotFound("There is no such person."))
    if email == identity.email:
        raise Invalid("That is your address already.", field="email")
    await begin_letter(email, address)
    change, now = uuid.uuid4(), clock.now()
    key_id, sealed = vault.seal({"old": identity.email, "new": email}, change, LINE, table=TABLE)
    is_known = await is_confirmed(person, identity.email)
    async with transaction():
        await _end_waiting(person)
        new = AddressChange(
            id=change,
            person=person,
            sealed=sealed,
            key_id=key_id,
            created_at=now,
            old_confirmed_at=None if is_known else now,
        )
        await AddressChange.insert(new)
        await note_access(person, "address_change_asked", change)
        await _write(change, "new")
        if names.is_readable(identity):
            await _write(change, "old")


async def note_change(person: uuid.UUID, before: names.Identity, email: str) -> None:
    """Record, in the caller's transaction, a change proved in another way; the old mailbox may undo it."""
    change, now = uuid.uuid4(), clock.now()
    if not names.is_readable(before):
        return
    key_id, sealed = vault.seal({"old": before.email, "new": email}, change, LINE, table=TABLE)
    new = AddressChange(
        id=change,
        person=person,
        sealed=sealed,
        key_id=key_id,
        created_at=now,
        new_confirmed_at=now,
        old_confirmed_at=None if await is_confirmed(person, before.email) else now,
        changed_at=now,
    )
    await AddressChange.insert(new)
    await note_access(person, "address_changed", change)
    await _write(change, "undo")


async def is_confirmed(person: uuid.UUID, email: str) -> bool:
    """Return whether a person's address is this one and was shown to be theirs."""
    return any(one.id == person and one.email_confirmed_at for one in await credentials.list_accounts(email))


async def give_up_change(person: uuid.UUID) -> None:
    """Keep the present address: end the person's waiting change, if there is one."""
    await _end_waiting(person)


async def find_change(person: uuid.UUID) -> Change | None:
    """Return a person's waiting change."""
    mine = (AddressChange.person == person) & AddressChange.changed_at.is_null() & AddressChange.ended_at.is_null()
    change = await fetch_row(Change, select(Change, AddressChange).where(mine))
    return change if change and change.is_waiting(clock.now()) else None


async def get_by_link(side: Side, link: str, *, locked: bool = False) -> Change:
    """Return the change of a letter's link; refuses NotFound for a link that is not ours, and Expired."""
    row, _, place = read_link(KIND_OF[side].code, link).partition("~")
    query = select(Change, AddressChange).where(AddressChange.id == uuid.UUID(row))
    change = await fetch_row(Change, query.lock_rows("UPDATE") if locked else query)
    if change is None or place != side:
        raise Expired(OVER)
    now = clock.now()
    if not (change.may_undo(now) if side == "undo" else change.is_waiting(now)):
        raise Expired(OVER)
    return change


async def answer(side: Side, link: str, *, agrees: bool) -> bool:
    """Confirm by a letter's link, or refuse; return whether the person now signs in with the new address.

    A refusal by either mailbox ends the change. The old mailbox's refusal or undoing also ends every session, since
    somebody else made the request, and ends later requests, whether they wait or could themselves be undone. An address
    that nobody had confirmed comes back unconfirmed: its owner may undo what a stranger did who gave it, but must not
    make it the stranger's.
    """
    is_made = False
    async with transaction():
        change = await get_by_link(side, link, locked=True)
        if side == "undo" or not agrees:
            await (_end_since(change) if side == "undo" else _end(change))
            await note_access(change.person, f"address_change_{'undone' if side == 'undo' else 'refused'}", change.id)
            if side != "new":
                await end_other_sessions(change.person, "")
            if side == "undo":
                await _change_email(change.person, change.addresses()[0], is_proven=change.had_owner())
        else:
            now = clock.now()
            confirmed: Values = {getattr(AddressChange, f"{side}_confirmed_at"): now}
            await AddressChange.update(confirmed).where(AddressChange.id == change.id)
            is_new = side == "new" or change.new_confirmed_at is not None
            is_made = is_new and (side == "old" or change.is_agreed(now))
            if is_made:
                await _make(change)
    return is_made


async def make_agreed_changes() -> int:
    """Make the changes that the new mailbox confirmed and the old one left unanswered for a week; a job.

    Return how many.
    """
    now = clock.now()
    silent = (
        AddressChange.changed_at.is_null(),
        AddressChange.ended_at.is_null(),
        AddressChange.new_confirmed_at.is_not_null(),
        AddressChange.created_at <= now - SILENCE_AGREES_AFTER,
    )
    due = await fetch_rows(Change, select(Change, AddressChange).where(*silent).limit(200))
    made = 0
    for waiting in due:
        async with transaction():
            again = select(Change, AddressChange).where(AddressChange.id == waiting.id).lock_rows("UPDATE")
            change = await fetch_row(Change, again)
            if change and change.is_waiting(now):
                made += await _make_or_end(change)
    return made


async def delete_old_changes() -> None:
    """Delete changes a month after they were requested; a job."""
    await AddressChange.delete().where(AddressChange.created_at <= clock.now() - KEPT_FOR)


async def find_letter_address(recipient: str) -> Address | None:
    """Return the address of a letter about a change, by its id and side; None if it is over or unreadable."""
    row, _, side = recipient.partition("~")
    change = await fetch_row(Change, select(Change, AddressChange).where(AddressChange.id == uuid.UUID(row)))
    person = await find_address(change.person) if change else None
    if change is None or person is None:
        return None
    content = vault.find_content(change.key_id, change.sealed, change.id, LINE, table=TABLE)
    return Address(content["new" if side == "new" else "old"], person.language) if content else None


async def _make(change: Change) -> None:
    """Let the person sign in with the new address, and notify the old one; in the caller's transaction."""
    if await list_gone([change.person]):
        raise Conflict(OVER)
    await _change_email(change.person, change.addresses()[1])
    changed: Values = {AddressChange.changed_at: clock.now()}
    await AddressChange.update(changed).where(AddressChange.id == change.id)
    await note_access(change.person, "address_changed", change.id)
    await _write(change.id, "undo")


async def _make_or_end(change: Change) -> bool:
    """Make a change, or end it if somebody else has confirmed the address since."""
    try:
        async with transaction():
            await _make(change)
    except Conflict:
        await _end(change)
        return False
    return True


async def _end(change: Change) -> None:
    ended: Values = {AddressChange.ended_at: clock.now()}
    await AddressChange.update(ended).where(AddressChange.id == change.id)


async def _end_since(change: Change) -> None:
    """End a change and all later requests of its person: the same stranger may have made them, to undo this."""
    ended: Values = {AddressChange.ended_at: clock.now()}
    since = (AddressChange.person == change.person) & (AddressChange.created_at >= change.created_at)
    await AddressChange.update(ended).where(since, AddressChange.ended_at.is_null())


async def _change_email(person: uuid.UUID, email: str, *, is_proven: bool = True) -> None:
    """Change the address, and void links for a new password, which went to the former mailbox."""
    await credentials.change_email(person, email, is_proven=is_proven)
    used: Values = {ResetLink.used_at: clock.now()}
    await ResetLink.update(used).where(ResetLink.person == person, ResetLink.used_at.is_null())


async def _end_waiting(person: uuid.UUID) -> None:
    ended: Values = {AddressChange.ended_at: clock.now()}
    mine = (AddressChange.person == person) & AddressChange.changed_at.is_null() & AddressChange.ended_at.is_null()
    await AddressChange.update(ended).where(mine)


async def _write(change: uuid.UUID, side: Side) -> None:
    link = f"{change}~{side}"
    await send(KIND_OF[side], link, [Recipient("address", link)], link=link)
