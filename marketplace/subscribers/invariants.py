"""The invariants of the packages of this district."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.subscribers.earnings.contribution_invariants import INDEX
from marketplace.subscribers.earnings.invariants import SHARES
from marketplace.subscribers.payouts.invariants import PAYOUTS
from marketplace.subscribers.rewards.invariants import REWARDS

if TYPE_CHECKING:
    from marketplace.core.statements import Invariant

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *INDEX,
    *SHARES,
    *PAYOUTS,
    *REWARDS,
)
