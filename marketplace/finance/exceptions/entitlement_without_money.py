"""An entitlement that is in force though all its money was returned."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind, InBook

KIND: Final = ExceptionKind(
    code="entitlement_without_money",
    sentence_fr="L’argent est reparti, et le partenaire peut encore lire.",
    sentence_en="The money went back, and the partner may still read.",
    advice_fr="Remboursez la commande sur sa page, ce qui met fin au droit, ou passez l’écart en pertes et profits si le partenaire paie.",
    advice_en="Refund the order on its page, which ends the entitlement, or write it off if the partner pays.",
    in_book=InBook(
        when="entitlement IS NOT NULL AND coalesce(revoked_at, suspended_at) IS NULL AND charged_minor > 0 AND kept_minor <= 0",
        detail="''",
        movement="NULL",
        amount_minor="kept_minor - total_minor",
        at="last_at",
    ),
    write_off=ACKNOWLEDGED,
)
