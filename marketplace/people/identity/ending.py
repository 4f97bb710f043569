"""How access ends: a person's sessions, keys and invitations end with it; a partner's last administrator stays."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, fetch_rows, select, transaction
from marketplace.core.errors import Conflict, NotAllowed, NotFound, existing
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import rules
from marketplace.people.identity.queries import SQL
from marketplace.people.identity.tables import ApiKey, Invitation, Person, Session, SignInAttempt

if TYPE_CHECKING:
    from marketplace.core.database import Values


class OneOfUs(Struct, frozen=True):
    """One of a partner's people."""

    id: uuid.UUID
    email: str
    company_role: str

    @property
    def administers(self) -> bool:
        """Whether they administer the company."""
        return self.company_role == rules.ADMINISTRATOR


async def end_person(person: uuid.UUID, email: str) -> None:
    """End a person's access, in the caller's transaction: delete their sessions, keys and invitations."""
    await execute(SQL["delete_invitations_of"], person, email)
    ended: Values = {Person.ended_at: clock.now(), Person.email_confirmed_at: None}
    await Person.update(ended).where(Person.id == person, Person.ended_at.is_null())
    await Session.delete().where(Session.person == person)
    await end_keys_of(person)


async def end_keys_of(person: uuid.UUID) -> None:
    """Revoke the API keys that this person made."""
    revoked: Values = {ApiKey.revoked_at: clock.now()}
    await ApiKey.update(revoked).where(ApiKey.owner == person, ApiKey.revoked_at.is_null())


async def require_administrator(partner: uuid.UUID, person: uuid.UUID | None) -> None:
    """Lock the partner's people until the transaction ends, and refuse a person who does not administer it now."""
    if await _role_now(partner, person) != rules.ADMINISTRATOR:
        raise NotAllowed("Only an administrator of your company may do that.")


async def require_approver(partner: uuid.UUID, person: uuid.UUID | None) -> None:
    """Lock the partner's people until the transaction ends, and refuse a person who may not approve orders now."""
    if await _role_now(partner, person) not in rules.APPROVE:
        raise NotAllowed("Only an administrator or approver of your company may do that.")


async def _role_now(partner: uuid.UUID, person: uuid.UUID | None) -> str | None:
    await lock(f"people of {partner}")
    return next((one.company_role for one in await _people(partner) if one.id == person), None)


async def has_people(partner: uuid.UUID) -> bool:
    """Lock the partner's people, and return whether there are any: the first person administers the company."""
    await lock(f"people of {partner}")
    return bool(await _people(partner))


async def keep_administrator(partner: uuid.UUID, without: uuid.UUID) -> None:
    """Lock the partner's people, and refuse to leave them without an administrator; the last person may leave."""
    await lock(f"people of {partner}")
    others = [one for one in await _people(partner) if one.id != without]
    if others and not any(one.administers for one in others):
        raise Conflict("A company always has an administrator: make a colleague one first.")


async def remove_colleague(partner: uuid.UUID, person: uuid.UUID, *, by: uuid.UUID | None) -> None:
    """Remove one of a partner's people at once, with their sessions, keys and open invitations.

    Refuses unless `by` is an administrator, and refuses to remove the last administrator while others stay; NotFound.
    """
    async with transaction():
        await require_administrator(partner, by)
        found = await _colleague(partner, person)
        await keep_administrator(partner, person)
        if person == by and len(await _people(partner)) == 1:
            raise Conflict("You are the only one of your company; erase yourself on your profile page instead.")
        await end_person(person, found.email)
        await note_access(by, "remove_colleague", person)


async def set_role(partner: uuid.UUID, person: uuid.UUID, role: str, *, by: uuid.UUID | None) -> None:
    """Change what one of a partner's people is, a word of `rules.COMPANY_ROLES`; refuses as `remove_colleague` does.

    Who may not order any more spends nothing from then on: what they ordered under a limit and is not paid lapses.
    """
    async with transaction():
        await require_administrator(partner, by)
        found = await _colleague(partner, person)
        rules.check_company_role(role)
        if role != rules.ADMINISTRATOR:
            if found.id == by and not [one for one in await _people(partner) if one.id != by and one.administers]:
                raise Conflict("A company always has an administrator: make a colleague one first.")
            await keep_administrator(partner, person)
        changed: Values = {Person.company_role: role}
        await Person.update(changed).where(Person.id == person)
        await note_access(by, "role_changed", person, role=role)


async def delete_expired() -> None:
    """Delete expired sessions, attempts that no longer count, and invitations that ended a month ago; a job."""
    now = clock.now()
    await Session.delete().where(Session.expires_at <= now)
    await SignInAttempt.delete().where(SignInAttempt.at <= now - rules.ATTEMPTS_COUNT_FOR)
    await Invitation.delete().where(Invitation.expires_at <= now - dt.timedelta(days=30))


async def _people(partner: uuid.UUID) -> list[OneOfUs]:
    query = select(OneOfUs, Person).where(Person.partner == partner, Person.ended_at.is_null())
    return list(await fetch_rows(OneOfUs, query))


async def _colleague(partner: uuid.UUID, person: uuid.UUID) -> OneOfUs:
    is_one = (Person.partner == partner) & (Person.id == person) & (Person.ended_at.is_null())
    return existing(
        await fetch_row(OneOfUs, select(OneOfUs, Person).where(is_one)), NotFound("There is no such person.")
    )
