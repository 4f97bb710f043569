"""Writing the trail: an action notes what it does inside its own transaction, and no line waits for another one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from marketplace import clock
from marketplace.audit_trail.tables import StaffAction
from marketplace.errors import Invalid

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from typing import Protocol

    class HasPerson(Protocol):
        """Who acts."""

        @property
        def person(self) -> uuid.UUID | None:
            """Return their id; None for a key."""

    Who: TypeAlias = HasPerson | uuid.UUID | None

Area: TypeAlias = Literal["decision", "access", "request"]
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
    """Write who came in or failed to, or whose access changed and how; `after` has no address, name or secret in clear."""
    await note_action(who, verb, subject, after=after, area="access")
