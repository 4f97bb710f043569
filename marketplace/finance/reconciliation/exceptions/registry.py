"""The kinds of exception by code, as the files beside this one list them by subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.finance.reconciliation.exceptions import bank, debts, invoices, returns, sales, stripe_balance

if TYPE_CHECKING:
    from marketplace.finance.reconciliation.exceptions.kind import ExceptionKind

EXCEPTIONS: Final[dict[str, ExceptionKind]] = {
    kind.code: kind for subject in (stripe_balance, sales, returns, debts, bank, invoices) for kind in subject.KINDS
}
"""Code → kind."""
