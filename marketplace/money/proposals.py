"""The decisions of two people in this district, a line a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.money.credit.proposals import CREDIT
from marketplace.money.payments.category_accounts import CATEGORY_ACCOUNT

if TYPE_CHECKING:
    from marketplace.people.proposals.rules import ProposalKind

KINDS: Final[tuple[ProposalKind[Any], ...]] = (CATEGORY_ACCOUNT, CREDIT)
