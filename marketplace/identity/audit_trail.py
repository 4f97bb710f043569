"""The audit trail: who did what, when and why, and what it changed; an action writes it inside its own transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.database import execute, fetch
from marketplace.errors import Invalid
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Mapping, Sequence

    from marketplace.identity.actors import Actor


SHORTEST_REASON, LONGEST_REASON = 3, 2000


def check_reason(reason: str) -> str:
    """Return a reason without the space around it; refuse one that says nothing, or too much."""
    given = reason.strip()
    if not SHORTEST_REASON <= len(given) <= LONGEST_REASON:
        raise Invalid(
            "Say why, in {shortest} to {longest} characters.", shortest=SHORTEST_REASON, longest=LONGEST_REASON
        )
    return given


async def note_action(
    who: Actor | uuid.UUID | None, verb: str, subject: object, *, reason: str = "",
    before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Write one line of the trail; `who` None is a job, `verb` is in snake_case, before and after hold what changed."""
    await execute(
        """INSERT INTO staff_action (at, person, verb, subject, reason, before, after)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        clock.now(), getattr(who, "person", who), verb, str(subject), reason.strip(),
        json.dumps(before or {}, default=str), json.dumps(after or {}, default=str),
    )  # fmt: skip


async def list_actions(
    page: int = 1, *, person: uuid.UUID | None = None, verb: str = "", text: str = "",
    since: dt.datetime | None = None, until: dt.datetime | None = None,
) -> Paged[Any]:  # fmt: skip
    """Return the trail, newest first; `since` is included, `until` excluded; `text` is in the subject or the reason."""
    rows = await fetch(
        """SELECT staff_action.*, person.name FROM staff_action LEFT JOIN person ON person.id = person
           WHERE ($1::uuid IS NULL OR person = $1) AND ($2 = '' OR verb = $2)
             AND ($3 = '' OR position(lower($3) IN lower(subject || ' ' || reason)) > 0)
             AND ($4::timestamptz IS NULL OR at >= $4) AND ($5::timestamptz IS NULL OR at < $5)
           ORDER BY staff_action.id DESC LIMIT $6 OFFSET $7""",
        person, verb, text, since, until, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    whole = [{**row, "before": json.loads(row["before"]), "after": json.loads(row["after"])} for row in rows]
    return paged(whole, page)


async def list_verbs() -> Sequence[str]:
    """Return what the trail's lines do."""
    return [row["verb"] for row in await fetch("SELECT DISTINCT verb FROM staff_action ORDER BY verb")]


async def list_staff() -> Sequence[tuple[str, str]]:
    """Return the id and name of everyone who has a line in the trail."""
    rows = await fetch("SELECT id, name FROM person WHERE id IN (SELECT person FROM staff_action) ORDER BY name, id")
    return [(str(row["id"]), row["name"]) for row in rows]
