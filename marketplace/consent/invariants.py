"""What must always be true in consent: the invariants of each package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.consent.purposes.invariants import CONSENT

if TYPE_CHECKING:
    from marketplace.core.statements import Invariant

INVARIANTS: Final[tuple[Invariant, ...]] = (*CONSENT,)
