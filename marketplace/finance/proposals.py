"""The decisions of two people in this district, a line a kind, and the registry of all that finance's pages show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.finance.bank.rule_proposals import BANK_RULE
from marketplace.finance.bookkeeping.judgements import JUDGEMENT
from marketplace.finance.bookkeeping.months import CLOSE_MONTH
from marketplace.finance.bookkeeping.years import CLOSE_YEAR
from marketplace.finance.reconciliation.refunds import REFUND
from marketplace.finance.reconciliation.write_offs import WRITE_OFF
from marketplace.money import proposals as money
from marketplace.people.proposals.rules import by_code
from marketplace.subscribers import proposals as subscribers

if TYPE_CHECKING:
    from marketplace.people.proposals.rules import ProposalKind

KINDS: Final[tuple[ProposalKind[Any], ...]] = (BANK_RULE, CLOSE_MONTH, CLOSE_YEAR, JUDGEMENT, REFUND, WRITE_OFF)
PROPOSALS: Final = by_code(*money.KINDS, *subscribers.KINDS, *KINDS)
"""Every kind by its code."""
