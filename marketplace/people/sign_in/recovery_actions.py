"""Account recovery: links to set a new password, and confirmations of addresses.

**A request reveals nothing.** The same rows are written for a known and an unknown address: a link, and a letter to a
person's mailbox, where an unknown address gets the id of nobody, whose letters are never sent. **A link is never
stored.** Its token is derived from the site's secret and the row's id when the letter is written, so neither a reader
of the database nor of a backup can follow it.
"""

from __future__ import annotations

import datetime as dt
import hmac
import uuid
from typing import TYPE_CHECKING, Final

from marketplace.core import clock
from marketplace.core.database import fetch_scalar, transaction
from marketplace.core.errors import Expired, NotFound
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import credentials, rules
from marketplace.people.identity.guessing import begin_attempt, begin_letter, fail, forgive
from marketplace.people.message_kinds import CONFIRM_ADDRESS, PASSWORD_CHANGED, PASSWORD_RESET
from marketplace.people.messages.actions import send
from marketplace.people.messages.links import link_token, mark_of
from marketplace.people.messages.rules import Recipient
from marketplace.people.sign_in.recovery_tables import AddressChange, ResetLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.database import Values

LINK_LASTS: Final = dt.timedelta(minutes=30)
LINK_KEPT: Final = dt.timedelta(days=1)
GONE: Final = "This link was used or is over; ask for another one."


async def request_reset(email: str) -> None:
    """Send a link for a new password to the person with this address; takes the same steps if there is nobody.

    After a few requests for one address, further ones wait and say so, for unknown addresses too. The earlier letters
    work for longer than the wait.
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
        await send(PASSWORD_RESET, link, to, link=str(link), minutes=str(minutes))
        await note_access(person if accounts else None, "reset_requested", link)


def read_link(kind: str, link: str) -> str:
    """Return the row that a link names, by its token; refuses NotFound for a link that is not ours."""
    row, _, token = link.rpartition(".")
    if not row or not hmac.compare_digest(token.encode(), link_token(kind, row).encode()):
        raise NotFound("There is nothing at this address.")
    return row


async def get_reset(link: str) -> uuid.UUID:
    """Return the id of a link that may still be used; refuses NotFound and Expired."""
    row = uuid.UUID(read_link(PASSWORD_RESET.code, link))
    unused = (ResetLink.id == row) & ResetLink.used_at.is_null()
    if not await ResetLink.exists().where(unused, ResetLink.created_at > clock.now() - LINK_LASTS):
        raise Expired(GONE)
    return row


async def list_choices(link: str) -> list[credentials.Account]:
    """Return the accounts whose password a link may set: several if nobody has confirmed the address yet."""
    row = await get_reset(link)
    person = await fetch_scalar(uuid.UUID, ResetLink.select(ResetLink.person).where(ResetLink.id == row))
    identity = await credentials.find_identity(person) if person else None
    if identity is None:
        raise Expired(GONE)
    return await credentials.list_accounts(identity.email)


async def reset_password(link: str, password: str, account: uuid.UUID | None = None) -> None:
    """Set a new password by a link, once, and end every session; this also confirms the mailbox's address.

    account: which one, if several people gave the address. A second factor stays: a mailbox alone does not open an
    account that has one. A waiting change of address is cancelled, since somebody who knew the old password may have
    requested it.
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
        await send(PASSWORD_CHANGED, row, [Recipient("person", str(person))])


async def change_password(person: uuid.UUID, current: str, new: str) -> None:
    """Change a password and end every session of the person; refuses a wrong current one.

    Waiting requests are cancelled, as in `reset_password`: a person may change a password because a stranger was here.
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
        await send(PASSWORD_CHANGED, f"{person} {clock.now().isoformat()}", [Recipient("person", str(person))])


async def void_what_waits(people: Sequence[uuid.UUID], person: uuid.UUID) -> None:
    """Void people's links for a new password, and a person's waiting change of address."""
    now = clock.now()
    used: Values = {ResetLink.used_at: now}
    await ResetLink.update(used).where(ResetLink.person.is_in(list(people)), ResetLink.used_at.is_null())
    waits = AddressChange.changed_at.is_null() & AddressChange.ended_at.is_null()
    await AddressChange.update({AddressChange.ended_at: now}).where(AddressChange.person == person, waits)


async def request_confirmation(person: uuid.UUID, address: str = "") -> None:
    """Send a person the link that confirms the email they gave. address: where the request is from."""
    identity = await credentials.find_identity(person)
    if identity is None:
        return
    await begin_letter(identity.email, address)
    async with transaction():
        await credentials.ask_to_confirm(person, identity.email)


async def list_confirmable(link: str) -> list[credentials.Account]:
    """Return a letter's account to confirm, then the others with its address; refuses NotFound and Expired."""
    person, _, rest = read_link(CONFIRM_ADDRESS.code, link).partition("~")
    identity = await credentials.find_identity(uuid.UUID(person))
    if identity is None or not hmac.compare_digest(rest.partition("~")[0], mark_of(identity.email)):
        raise Expired(GONE)
    accounts = await credentials.list_accounts(identity.email)
    if not any(str(one.id) == person for one in accounts):
        raise Expired(GONE)
    return sorted(accounts, key=lambda one: str(one.id) != person)


async def confirm_by_link(link: str) -> None:
    """Confirm the address that a letter was sent to, while it is still the person's; repeating it changes nothing."""
    accounts = await list_confirmable(link)
    await credentials.confirm_email(accounts[0].id)


async def delete_old_links() -> None:
    """Delete links a day after they were requested; a job."""
    await ResetLink.delete().where(ResetLink.created_at <= clock.now() - LINK_KEPT)
