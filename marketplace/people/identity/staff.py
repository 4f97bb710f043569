"""Add and remove staff by command: an invitation for each member, and an end that takes effect at once."""

from __future__ import annotations

import datetime as dt
import secrets
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, select, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity import rules
from marketplace.people.identity.actions import INVITATION_DAYS
from marketplace.people.identity.ending import end_person
from marketplace.people.identity.names import stored_as
from marketplace.people.identity.queries import SQL
from marketplace.people.identity.rules import digest
from marketplace.people.identity.tables import Invitation, Person

if TYPE_CHECKING:
    from collections.abc import Sequence


class StaffMember(Struct, frozen=True):
    """Someone who is or was staff."""

    id: uuid.UUID
    name: str
    email: str
    staff_role: str
    created_at: dt.datetime
    ended_at: dt.datetime | None


class StaffInvitation(Struct, frozen=True):
    """Someone who was invited to join the staff and has not joined yet."""

    name: str
    email: str
    staff_role: str
    expires_at: dt.datetime


class KnownStaff(Struct, frozen=True):
    """A member of staff found by email."""

    id: uuid.UUID
    staff_role: str


async def invite_staff(email: str, name: str, role: str) -> str:
    """Ask someone to join the staff and return the code of their link, which works once, for a week.

    An earlier invitation of the same email ends. Refuses an email with which somebody signs in.
    """
    email, name = rules.clean_email(email), rules.clean_text(name, field="name")
    if role not in rules.ROLES:
        raise Invalid("A role is one of {roles}.", roles=", ".join(rules.ROLES))
    code, now = secrets.token_urlsafe(32), clock.now()
    async with transaction():
        await lock(f"email {digest(email)}")
        whose = Person.email_confirmed_at.is_not_null() | Person.staff_role.is_not_null()
        if await Person.exists().where(Person.email.is_in(stored_as(email)), Person.ended_at.is_null(), whose):
            raise Conflict("That email address already signs in here; use another one.", field="email")
        await Invitation.delete().where(Invitation.email == email, Invitation.staff_role.is_not_null())
        new = Invitation(
            id=uuid.uuid4(),
            partner=None,
            staff_role=role,
            email=email,
            name=name,
            code_hash=digest(code),
            created_at=now,
            expires_at=now + dt.timedelta(days=INVITATION_DAYS),
            accepted_at=None,
            invited_by=None,
        )
        await Invitation.insert(new)
        await note_access(None, "invite_staff", new.id, role=role)
    return code


async def end_staff(email: str) -> None:
    """Remove someone from the staff at once: sessions and invitations end, their name stays on their decisions.

    Also ends an invitation that nobody has accepted. Refuses NotFound if there is neither.
    """
    email = rules.clean_email(email)
    async with transaction():
        await lock(f"email {digest(email)}")
        invited = (
            await Invitation.delete()
            .where(Invitation.email == email, Invitation.staff_role.is_not_null())
            .returning(Invitation.id)
        )
        in_office = (Person.email == email) & (Person.staff_role.is_not_null()) & (Person.ended_at.is_null())
        known = await fetch_row(KnownStaff, select(KnownStaff, Person).where(in_office))
        if known is None:
            if invited:
                await note_access(None, "invitation_ended", invited[0]["id"])
                return
            raise NotFound("Nobody on the staff has this email address.")
        await end_person(known.id, email)
        await note_access(None, "end_staff", known.id, role=known.staff_role)


async def list_staff_members() -> Sequence[StaffMember]:
    """List everyone who is or was staff, those in office first."""
    return await fetch_rows(StaffMember, SQL["list_staff_members"])


async def list_staff_invitations() -> Sequence[StaffInvitation]:
    """List the open invitations to the staff, the first made first."""
    return await fetch_rows(StaffInvitation, SQL["list_staff_invitations"], clock.now())
