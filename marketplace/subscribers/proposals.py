"""The decisions of two people in this district, a line a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.subscribers.payouts.exclusions import PAYEE_NAMES

if TYPE_CHECKING:
    from marketplace.people.proposals.rules import ProposalKind

KINDS: Final[tuple[ProposalKind[Any], ...]] = (PAYEE_NAMES,)
