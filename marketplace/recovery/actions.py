"""What gets people back in: links to set a new password, and addresses that are confirmed.

**Who asks for a link learns nothing.** Known or not, the same rows are written: a link, and a letter to the mailbox of a
person, who is nobody where the address is unknown; nobody's letters are never sent. **A link is never stored:** its
token is made from the site's secret and the row's id when the letter is written, so neither a reader of the database nor
of a backup can follow one.
"""

from __future__ import annotations

import datetime as dt
import hmac
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_rows, fetch_scalar, transaction
from marketplace.errors import Expired, NotFound
from marketplace.identity import credentials, rules
from marketplace.identity.guessing import begin_attempt, begin_letter, fail, forgive
from marketplace.messages.actions import send
from marketplace.messages.kinds import confirm_address, password_changed, password_reset
from marketplace.messages.links import link_token, mark_of
from marketplace.messages.rules import Recipient
from marketplace.recovery.tables import AddressChange, ResetLink
from marketplace.statements import load_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.database import Values

LINK_LASTS: Final = dt.timedelta(minutes=30)
FIRST_LETTER_WITHIN: Final = dt.timedelta(days=1)
"""How long ago somebody may have signed up to be sent the link unasked."""
LINK_KEPT: Final = dt.timedelta(days=1)
SQL: Final = load_statements(__package__)
GONE: Final = "This link was used or is over; ask for another one."


class NewPerson(Struct, frozen=True):
    """Somebody whose address nobody has confirmed."""

    id: uuid.UUID


async def request_reset(email: str) -> None:
    """Send a link for a new password to the person who has this address; takes the same steps when nobody has.

    More than a few requests for one address wait, and say so, whether anybody has it or not: the letters that were sent
    meanwhile work for longer.
    """
    email = rules.clean_email(email)
    await begin_letter(email, "", "links")
    accounts = await credentials.list_accounts(email)
    person = accounts[0].id if accounts else uuid.uuid4()
    link, now = uuid.uuid4(), clock.now()
    async with transaction():
        await ResetLink.insert(ResetLink(id=link, person=person, created_at=now, used_at=None))
        minutes = int(LINK_LASTS.total_seconds()) // 60
        to = [Recipient("mailbox", str(person))]
        await send(password_reset.KIND, link, to, link=str(link), minutes=str(minutes))
        await note_access(person if accounts else None, "reset_requested", link)


def read_link(kind: str, link: str) -> str:
    """Return the row that a link names, by its token; refuses NotFound for one that we did not make."""
    row, _, token = link.rpartition(".")
    if not row or not hmac.compare_digest(token.encode(), link_token(kind, row).encode()):
        raise NotFound("There is nothing at this address.")
    return row


async def get_reset(link: str) -> uuid.UUID:
    """Return the id of a link that may still be used; refuses NotFound and Expired."""
    row = uuid.UUID(read_link(password_reset.KIND.code, link))
    unused = (ResetLink.id == row) & ResetLink.used_at.is_null()
    if not await ResetLink.exists().where(unused, ResetLink.created_at > clock.now() - LINK_LASTS):
        raise Expired(GONE)
    return row


async def list_choices(link: str) -> list[credentials.Account]:
    """Return the accounts whose password a link may set: several where nobody has confirmed the address yet."""
    row = await get_reset(link)
    person = await fetch_scalar(uuid.UUID, ResetLink.select(ResetLink.person).where(ResetLink.id == row))
    identity = await credentials.find_identity(person) if person else None
    if identity is None:
        raise Expired(GONE)
    return await credentials.list_accounts(identity.email)


async def reset_password(link: str, password: str, account: uuid.UUID | None = None) -> None:
    """Set a new password by a link, once, and end every session; the mailbox is the person's own, so its address is confirmed.

    account: which one, where several people gave the address. A second factor stays as it is: a mailbox alone does not
    open an account that has one. A change of address that waits is given up: who knew the old password may have asked.
    """
    choices, row, now = await list_choices(link), await get_reset(link), clock.now()
    person = next((one.id for one in choices if account in {None, one.id}), None)
    if person is None:
        raise Expired(GONE)
    hashed = await credentials.hash_new_password(person, password)
    async with transaction():
        used: Values = {ResetLink.used_at: now}
        unused = (ResetLink.id == row) & ResetLink.used_at.is_null()
        if not await ResetLink.update(used).where(unused).returning(ResetLink.id):
            raise Expired(GONE)
        await credentials.set_password(person, hashed, verb="password_reset")
        await credentials.confirm_email(person)
        await void_what_waits([one.id for one in choices], person)
        await send(password_changed.KIND, row, [Recipient("person", str(person))])


async def change_password(person: uuid.UUID, current: str, new: str) -> None:
    """Change a password and end every session of the person; refuses a wrong current one.

    What waits is given up, as in `reset_password`: who changes a password may do so because somebody else was here.
    """
    attempt = await begin_attempt(f"person:{person}")
    shown = await credentials.find_hash(person, current)
    if shown is None:
        await fail(attempt, "password", person)
        raise rules.WrongSecret("The current password is wrong.")
    await forgive(attempt)
    hashed = await credentials.hash_new_password(person, new)
    async with transaction():
        await credentials.set_password(person, hashed, verb="password_changed", instead_of=shown)
        await void_what_waits([person], person)
        await send(password_changed.KIND, f"{person} {clock.now().isoformat()}", [Recipient("person", str(person))])


async def void_what_waits(people: Sequence[uuid.UUID], person: uuid.UUID) -> None:
    """Void the links for a new password of people, and the change of address of a person that is not made yet."""
    now = clock.now()
    used: Values = {ResetLink.used_at: now}
    await ResetLink.update(used).where(ResetLink.person.is_in(list(people)), ResetLink.used_at.is_null())
    waits = AddressChange.changed_at.is_null() & AddressChange.ended_at.is_null()
    await AddressChange.update({AddressChange.ended_at: now}).where(AddressChange.person == person, waits)


async def request_confirmation(person: uuid.UUID, address: str = "") -> None:
    """Send a person, who asks from an address, the link that confirms the email they gave."""
    identity = await credentials.find_identity(person)
    if identity is not None:
        await begin_letter(identity.email, address)
    async with transaction():
        await _send_confirmation(person)


async def _send_confirmation(person: uuid.UUID) -> None:
    identity = await credentials.find_identity(person)
    if identity is not None:
        await credentials.ask_to_confirm(person, identity.email)


async def send_first_confirmations() -> int:
    """Send the link that confirms their address to whom a former version added without one; a job. Return to how many."""
    people = await fetch_rows(NewPerson, SQL["list_people_without_letter"], clock.now() - FIRST_LETTER_WITHIN)
    for new in people:
        async with transaction():
            await _send_confirmation(new.id)
    return len(people)


async def list_confirmable(link: str) -> list[credentials.Account]:
    """Return whose address a letter's link confirms, first, and who else gave it; refuses NotFound and Expired."""
    person, _, rest = read_link(confirm_address.KIND.code, link).partition("~")
    identity = await credentials.find_identity(uuid.UUID(person))
    if identity is None or not hmac.compare_digest(rest.partition("~")[0], mark_of(identity.email)):
        raise Expired(GONE)
    accounts = await credentials.list_accounts(identity.email)
    if not any(str(one.id) == person for one in accounts):
        raise Expired(GONE)
    return sorted(accounts, key=lambda one: str(one.id) != person)


async def confirm_by_link(link: str) -> None:
    """Confirm the address that a letter was sent to, while it is still the person's; again changes nothing."""
    accounts = await list_confirmable(link)
    await credentials.confirm_email(accounts[0].id)


async def delete_old_links() -> None:
    """Delete links a day after they were asked for; a job."""
    await ResetLink.delete().where(ResetLink.created_at <= clock.now() - LINK_KEPT)
