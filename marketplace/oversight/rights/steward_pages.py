"""Pages for the steward and the auditor: the compliance pack, retention, incidents and drills."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Refusal
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import PageNumber, again, download, page, see
from marketplace.oversight.rights.incidents import begin, decide, get_incident, list_decided, list_incidents
from marketplace.oversight.rights.pack import gather, make_pack
from marketplace.oversight.rights.plan import STEPS, due_at, hours_left
from marketplace.oversight.rights.retention import list_kinds_of_data
from marketplace.people.identity.guards import VisitorRequest, expect, recently_proved, staff
from marketplace.people.identity.pages import FORM

READERS = [staff("steward", "auditor")]


class IncidentForm(Struct):
    """A breach or a drill: its title, and for how many hours it has been known."""

    title: str
    form_id: uuid.UUID
    hours: str = "0"
    is_drill: str = ""


class StepForm(Struct):
    """The decision about a step."""

    step: str = ""
    note: str = ""


@get("/staff/retention", guards=READERS, opt=expect("steward", "auditor"))
async def retention_page() -> Template:
    """Show each kind of data: whose it is, how long it is kept, and overdue rows."""
    return page("rights/retention.html", kinds=await list_kinds_of_data())


@get("/staff/compliance", guards=READERS, opt=expect("steward", "auditor"))
async def compliance_page() -> Template:
    """Show the record of processing and the draft of the impact assessment."""
    return page("rights/compliance.html", **await gather())


@get("/staff/compliance/pack", guards=READERS, opt=expect("steward", "auditor"))
async def compliance_pack() -> Response[bytes]:
    """Send both documents in both languages, and the facts for programs."""
    name = f"partage-compliance-{paris_day(clock.now()).isoformat()}.zip"
    return download(name, await make_pack(), "application/zip")


# Incidents and drills -------------------------------------------------------------------------------------------------


@get("/staff/incidents", guards=READERS, opt=expect("steward", "auditor"))
async def incidents_page(number: PageNumber = 1) -> Template:
    """List incidents and drills, and offer to begin one."""
    return page("rights/incidents.html", error="", form=None, incidents=await list_incidents(number))


@post("/staff/incidents", guards=[staff("steward")], opt=expect("steward"), status_code=200)
async def begin_incident(
    request: VisitorRequest, data: Annotated[IncidentForm, Body(media_type=FORM)]
) -> Template | Redirect:
    """Begin an incident or a drill."""
    assert request.user
    hours = int(data.hours) if data.hours.isdecimal() and len(data.hours) < 6 else -1  # noqa: PLR2004 (never so many)
    try:
        await begin(data.form_id, request.user, title=data.title, hours_ago=hours, is_drill=data.is_drill == "yes")
    except Refusal as refusal:
        return again("rights/incidents.html", refusal, form=data, incidents=await list_incidents(1))
    return see(f"/staff/incidents/{data.form_id}")


async def _context(incident: uuid.UUID) -> dict[str, Any]:
    found = await get_incident(incident)
    return {
        "incident": found,
        "steps": STEPS,
        "decided": {one.step: one for one in await list_decided(incident)},
        "due_at": due_at(found.known_at),
        "hours_left": hours_left(found.known_at, clock.now()),
    }


@get("/staff/incidents/{incident:uuid}", guards=READERS, opt=expect("steward", "auditor", stranger=200))
async def incident_page(incident: FromPath[uuid.UUID]) -> Template:
    """Show an incident: the hours left, decided steps with their people, and open steps."""
    return page("rights/incident.html", error="", form=StepForm(), **await _context(incident))


@post(
    "/staff/incidents/{incident:uuid}/steps",
    guards=[staff("steward"), recently_proved],
    opt=expect("steward", stranger=200),
    status_code=200,
)
async def decide_step(
    request: VisitorRequest, incident: FromPath[uuid.UUID], data: Annotated[StepForm, Body(media_type=FORM)]
) -> Template | Redirect:
    """Record the decision about a step."""
    assert request.user
    await get_incident(incident)
    try:
        await decide(incident, data.step, request.user, note=data.note)
    except Refusal as refusal:
        return again("rights/incident.html", refusal, form=data, **await _context(incident))
    return see(f"/staff/incidents/{incident}")


ROUTES = [
    retention_page,
    compliance_page,
    compliance_pack,
    incidents_page,
    begin_incident,
    incident_page,
    decide_step,
]
