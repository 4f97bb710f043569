"""What must always be true in money: the invariants of each package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.money.credit.invariants import CREDIT_SALES
from marketplace.money.ledger.invariants import BOOKS
from marketplace.money.payments.invariants import PAYMENTS

if TYPE_CHECKING:
    from marketplace.core.statements import Invariant

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *BOOKS,
    *PAYMENTS,
    *CREDIT_SALES,
)
