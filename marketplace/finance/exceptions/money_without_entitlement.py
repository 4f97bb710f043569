"""Money of a sold order that stays here though its entitlement is missing, or ended more than a week ago."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind, InBook

RETURN_WITHIN: Final = "7 days"

KIND: Final = ExceptionKind(
    code="money_without_entitlement",
    sentence_fr="L’argent est là, et le partenaire ne peut pas lire.",
    sentence_en="The money is here, and the partner may not read.",
    advice_fr="Rendez l’argent depuis la page de la commande, ou cherchez pourquoi la licence a pris fin.",
    advice_en="Give the money back on the order’s page, or find out why the licence ended.",
    in_book=InBook(
        when=f"sold_at IS NOT NULL AND kept_minor > 0 AND (entitlement IS NULL OR revoked_at < $2::timestamptz - interval '{RETURN_WITHIN}')",
        detail="''",
        movement="NULL",
        amount_minor="kept_minor",
        at="coalesce(revoked_at, sold_at)",
    ),
    write_off=ACKNOWLEDGED,
)
