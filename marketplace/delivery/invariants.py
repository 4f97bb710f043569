"""What must always be true in delivery: the invariants of each package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.delivery.downloads.invariants import DOWNLOADS
from marketplace.delivery.downloads.trial_invariants import TRIALS

if TYPE_CHECKING:
    from marketplace.core.statements import Invariant

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *TRIALS,
    *DOWNLOADS,
)
