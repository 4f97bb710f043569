"""Where what an entry records is shown, and which entries a clerk may reverse."""

from __future__ import annotations

from typing import Final

REVERSIBLE: Final = ("write_off", "bank_opening")
"""Kinds that a clerk may reverse: no other table's state follows them. A match is undone on its bank line."""
SOURCES: Final = {
    "sale": "/finance/orders",
    "shares_": "/finance/licences",
    "stripe_": "/finance/transactions",
    "bank_line": "/finance/bank/lines",
    "payout_sent": "/finance/payout-runs",
    "reversal": "/finance/journal",
}
"""How an entry's kind begins → where what it records is shown."""


def source_path(kind: str, source_id: str) -> str | None:
    """Return the page of what an entry records."""
    for start, page in SOURCES.items():
        if kind.startswith(start):
            return f"{page}/{source_id.partition('/')[0]}"
    return None
