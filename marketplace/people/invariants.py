"""What must always be true in people: the invariants of each package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.people.audit_trail.invariants import TRAIL
from marketplace.people.identity.invariants import PEOPLE
from marketplace.people.spending.invariants import SPENDING

if TYPE_CHECKING:
    from marketplace.core.statements import Invariant

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *TRAIL,
    *PEOPLE,
    *SPENDING,
)
