"""A payout of Stripe's that no bank line shows after five days."""

from __future__ import annotations

from typing import Final

from marketplace.bank.queries import OPEN_PAYOUTS
from marketplace.finance.exceptions.kind import ExceptionKind, WriteOff
from marketplace.ledger import chart

LATE_AFTER: Final = "5 days"

KIND: Final = ExceptionKind(
    code="payout_without_line",
    sentence_fr="Stripe l’a viré, et aucune ligne bancaire ne le montre.",
    sentence_en="Stripe paid this out, and no bank line shows it.",
    advice_fr="Importez le dernier relevé de la banque, puis rapprochez la ligne.",
    advice_en="Import the bank’s latest statement, then match the line.",
    sql=f"""SELECT '' AS detail, id AS subject, id AS reference, NULL AS path, amount_minor, at
           FROM ({OPEN_PAYOUTS}) AS open WHERE at < $2::timestamptz - interval '{LATE_AFTER}'""",
    write_off=WriteOff(chart.TRANSFERS, credit_sign=-1),
    settled_by="payout",
)
