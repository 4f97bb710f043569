"""What must always be true in finance: the invariants of each package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.finance.bank.invariants import BANK
from marketplace.finance.bookkeeping.business_invariants import REVENUE
from marketplace.finance.bookkeeping.invariants import EXPORTS
from marketplace.finance.einvoicing.invariants import TRANSMISSIONS
from marketplace.finance.reconciliation.invariants import WRITE_OFFS

if TYPE_CHECKING:
    from marketplace.core.statements import Invariant

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *BANK,
    *TRANSMISSIONS,
    *WRITE_OFFS,
    *EXPORTS,
    *REVENUE,
)
