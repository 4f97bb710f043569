"""Write lines of the audit trail inside the action's own transaction; no line waits for another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.people.audit_trail.tables import StaffAction

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from typing import Protocol

    class HasPerson(Protocol):
        """The person or program that acts."""

        @property
        def person(self) -> uuid.UUID | None:
            """Return their id; None for a key."""

    Who: TypeAlias = HasPerson | uuid.UUID | None

Area: TypeAlias = Literal["decision", "access", "request"]
SHORTEST_REASON, LONGEST_REASON = 3, 2000


def check_reason(reason: str) -> str:
    """Return a reason without spaces around it; refuse an empty one, and one that is too long."""
    given = reason.strip()
    if not SHORTEST_REASON <= len(given) <= LONGEST_REASON:
        raise Invalid(
            "Say why, in {shortest} to {longest} characters.", shortest=SHORTEST_REASON, longest=LONGEST_REASON
        )
    return given


async def note_action(
    who: Who,
    verb: str,
    subject: object,
    *,
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    area: Area = "decision",
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
        area=area,
    )
    await StaffAction.insert(line)


async def note_access(who: Who, verb: str, subject: object = "", **after: object) -> None:
    """Note a sign-in, a failed one, or a change of access; `after` has no address, name or secret in clear."""
    await note_action(who, verb, subject, after=after, area="access")
