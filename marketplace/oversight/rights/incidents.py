"""A breach of personal data, or a drill: a steward begins it, decides its steps one by one, and so closes it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_rows, select, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.settings import settings
from marketplace.oversight.message_kinds import INCIDENT_BEGUN
from marketplace.oversight.rights.plan import CLOSE, STEPS
from marketplace.oversight.rights.queries import SQL
from marketplace.oversight.rights.tables import Incident, IncidentStep
from marketplace.people.audit_trail.actions import check_reason, note_action
from marketplace.people.identity.addresses import OPERATOR
from marketplace.people.identity.rules import clean_text
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from marketplace.core.database import Values
    from marketplace.people.identity.actors import Actor

SHORTEST_TITLE: Final = 3
LONGEST_AGO_HOURS: Final = 24 * 90


class IncidentRow(Struct, frozen=True):
    """An incident, as the list shows it."""

    id: uuid.UUID
    is_drill: bool
    title: str
    known_at: dt.datetime
    begun_at: dt.datetime
    closed_at: dt.datetime | None


class DecidedStep(Struct, frozen=True):
    """A decided step, and the person who decided it."""

    step: str
    note: str
    decided_at: dt.datetime
    name: str


async def begin(incident: uuid.UUID, actor: Actor, *, title: str, hours_ago: int, is_drill: bool) -> None:
    """Begin an incident or a drill, known for so many hours, and notify stewards and the operator."""
    title = clean_text(title, 200, field="title")
    if len(title) < SHORTEST_TITLE:
        raise Invalid("Say in some words what happened.", field="title")
    if not 0 <= hours_ago <= LONGEST_AGO_HOURS:
        raise Invalid(
            "Say since how many hours you have known, from 0 to {most}.", most=LONGEST_AGO_HOURS, field="hours"
        )
    now = clock.now()
    row = Incident(
        id=incident,
        is_drill=is_drill,
        title=title,
        known_at=now - dt.timedelta(hours=hours_ago),
        begun_by=actor.person,
        begun_at=now,
    )
    async with transaction():
        if not await Incident.insert(row).on_conflict(action="DO NOTHING", target=Incident.id).returning(Incident.id):
            return
        await note_action(actor, "begin_incident", incident, after={"title": title, "is_drill": is_drill})
        to = [Recipient("role", role) for role in ("steward", "finance", "auditor")]
        if settings().contact_email:
            to.append(Recipient("address", OPERATOR))
        what = "exercice / drill" if is_drill else "incident"
        await send(INCIDENT_BEGUN, incident, to, title=title, what=what, id=str(incident))


async def decide(incident: uuid.UUID, step: str, actor: Actor, *, note: str) -> None:
    """Record that a step was done, or why not; the last one closes the incident. A step is decided once."""
    note = check_reason(note)
    if step not in STEPS:
        raise NotFound("There is nothing here.")
    async with transaction():
        found = existing(
            await fetch_row(IncidentRow, select(IncidentRow, Incident).where(Incident.id == incident).lock_rows()),
            NotFound("There is nothing here."),
        )
        decided = {one.step for one in await list_decided(incident)}
        if found.closed_at is not None or step in decided:
            raise Conflict("That was decided already.")
        if step == CLOSE and decided < STEPS.keys() - {CLOSE}:
            raise Conflict("Decide every other step first, even if it is decided against.")
        now = clock.now()
        await IncidentStep.insert(
            IncidentStep(incident=incident, step=step, note=note, decided_by=actor.person, decided_at=now)
        )
        if step == CLOSE:
            closed: Values = {Incident.closed_at: now}
            await Incident.update(closed).where(Incident.id == incident)
        await note_action(actor, "decide_incident_step", incident, reason=note, after={"step": step})


async def get_incident(incident: uuid.UUID) -> IncidentRow:
    """Return an incident; refuses NotFound."""
    return existing(
        await fetch_row(IncidentRow, select(IncidentRow, Incident).where(Incident.id == incident)),
        NotFound("There is nothing here."),
    )


async def list_incidents(page: int) -> Paged[IncidentRow]:
    """Return one page of incidents and drills, the latest first."""
    query = select(IncidentRow, Incident).order_by(Incident.begun_at, ascending=False).order_by(Incident.id)
    return paged(await fetch_rows(IncidentRow, query.limit(PAGE_SIZE + 1).offset(offset(page))), page)


async def list_decided(incident: uuid.UUID) -> list[DecidedStep]:
    """Return the decided steps of an incident, the earliest first."""
    return await fetch_rows(DecidedStep, SQL["list_decided"], incident)
