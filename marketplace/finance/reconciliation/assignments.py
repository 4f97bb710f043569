"""Who sees to which exception, and what was said of it: notes that stay, the latest assignment counts."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Invalid
from marketplace.core.statements import load_statements
from marketplace.finance.message_kinds import EXCEPTION_ASSIGNED
from marketplace.finance.reconciliation.exception_queries import get_exception
from marketplace.finance.reconciliation.tables import ExceptionNote
from marketplace.people.audit_trail.actions import note_action
from marketplace.people.identity.queries import NamedPerson
from marketplace.people.identity.tables import Person
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.finance.reconciliation.exception_queries import ExceptionRow
    from marketplace.people.identity.actors import Actor

SQL: Final = load_statements(__package__)
LONGEST: Final = 2000
"""Characters of a note."""


class Note(Struct, frozen=True):
    """What somebody said of an exception, by name, and who they assigned it to."""

    id: int
    text: str
    at: dt.datetime
    author: str
    assignee: str | None


class Assignment(Struct, frozen=True):
    """An exception, and who has to see to it."""

    why: str
    subject: str
    person: uuid.UUID
    name: str


async def note_exception(
    why: str, subject: str, actor: Actor, *, text: str = "", assignee: uuid.UUID | None = None, form_id: uuid.UUID
) -> None:
    """Say something of an exception, or assign it to somebody of finance, who gets a message; once a form.

    Refuses a note that says nothing or too much, and somebody who is not in finance any more.
    """
    text = text.strip()
    if len(text) > LONGEST or not (text or assignee):
        raise Invalid("Say something, or choose who sees to it; in {longest} characters at most.", longest=LONGEST)
    async with transaction():
        row = await get_exception(why, subject)
        if assignee is not None and assignee not in {clerk.id for clerk in await list_clerks()}:
            raise Invalid("Choose somebody of finance.")
        note = ExceptionNote(
            form_id=form_id,
            why=why,
            subject=subject,
            reference=row.reference,
            text=text,
            assignee=assignee,
            author=actor.person,
            at=clock.now(),
        )
        insert = ExceptionNote.insert(note).on_conflict(action="DO NOTHING", target=ExceptionNote.form_id)
        if await fetch_scalar(int, insert.returning(ExceptionNote.id)) is None:
            return
        verb = "exception_assigned" if assignee else "exception_commented"
        after = {"assigned_to": assignee} if assignee else {}
        await note_action(actor, verb, f"{why} {row.reference}", reason=text, after=after)
        if assignee not in (None, actor.person):
            page = {"why": quote(why), "subject": quote(subject, safe="")}
            await send(EXCEPTION_ASSIGNED, form_id, [Recipient("person", str(assignee))], **page)


async def list_notes(why: str, subject: str) -> list[Note]:
    """Return what was said of an exception, the earliest first."""
    return await fetch_rows(Note, SQL["list_notes"], why, subject)


async def list_clerks() -> list[NamedPerson]:
    """Return who may be asked to see to an exception, by name."""
    who = select(NamedPerson, Person).where(Person.staff_role == "finance", Person.ended_at.is_null())
    return await fetch_rows(NamedPerson, who.order_by(Person.name).order_by(Person.id))


async def list_assignees(exceptions: Sequence[ExceptionRow]) -> dict[tuple[str, str], Assignment]:
    """Return who has to see to each of these exceptions, by (why, subject), for those that are assigned."""
    keys = [row.why for row in exceptions], [row.subject for row in exceptions]
    return {(row.why, row.subject): row for row in await fetch_rows(Assignment, SQL["list_assignees"], *keys)}
