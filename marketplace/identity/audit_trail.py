"""The audit trail: who did what, when and why, and what it changed; an action writes it inside its own transaction."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from marketplace import clock
from marketplace.database import fetch_rows
from marketplace.errors import Invalid
from marketplace.identity.tables import StaffAction
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.statements import load_statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketplace.identity.actors import Actor


SQL: Final = load_statements(__package__)
SHORTEST_REASON, LONGEST_REASON = 3, 2000


def check_reason(reason: str) -> str:
    """Return a reason without the space around it; refuse one that says nothing, or too much."""
    given = reason.strip()
    if not SHORTEST_REASON <= len(given) <= LONGEST_REASON:
        raise Invalid(
            "Say why, in {shortest} to {longest} characters.", shortest=SHORTEST_REASON, longest=LONGEST_REASON
        )
    return given


class TrailLine(Struct, frozen=True):
    """A line of the trail; `name` is the person's, None for a job; `before` and `after` are JSON objects."""

    id: int
    at: dt.datetime
    person: uuid.UUID | None
    name: str | None
    verb: str
    subject: str
    reason: str
    before: str
    after: str

    @property
    def was(self) -> dict[str, Any]:
        """Return what changed, as it was."""
        return dict(msgspec.json.decode(self.before))

    @property
    def became(self) -> dict[str, Any]:
        """Return what changed, as it became."""
        return dict(msgspec.json.decode(self.after))


class NamedPerson(Struct, frozen=True):
    """A person by name."""

    id: uuid.UUID
    name: str


async def note_action(
    who: Actor | uuid.UUID | None,
    verb: str,
    subject: object,
    *,
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write one line of the trail; `who` None is a job, `verb` is in snake_case, before and after are what changed."""
    line = StaffAction(
        at=clock.now(),
        person=getattr(who, "person", who),
        verb=verb,
        subject=str(subject),
        reason=reason.strip(),
        before=json.dumps(before or {}, default=str),
        after=json.dumps(after or {}, default=str),
    )
    await StaffAction.insert(line)


async def list_actions(
    page: int = 1,
    *,
    person: uuid.UUID | None = None,
    verb: str = "",
    text: str = "",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> Paged[TrailLine]:
    """Return the trail, newest first; `since` is included, `until` excluded; `text` is in the subject or the reason."""
    values = (person, verb, text, since, until, PAGE_SIZE + 1, offset(page))
    return paged(await fetch_rows(TrailLine, SQL["list_actions"], *values), page)


async def list_verbs() -> Sequence[str]:
    """Return the verbs that the trail has, in alphabetical order."""
    rows = await StaffAction.select(StaffAction.verb).distinct().order_by(StaffAction.verb)
    return [row["verb"] for row in rows]


async def list_staff() -> Sequence[tuple[str, str]]:
    """Return the id and name of everyone who has a line in the trail, by name."""
    sql = "SELECT id, name FROM person WHERE id IN (SELECT person FROM staff_action) ORDER BY name, id"
    return [(str(person.id), person.name) for person in await fetch_rows(NamedPerson, sql)]
