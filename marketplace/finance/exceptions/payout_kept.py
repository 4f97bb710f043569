"""A subscriber's payout that the bank refused, and whose money it has had for five days."""

from __future__ import annotations

from typing import Final

from marketplace.bank.queries import KEPT_BY_BANK
from marketplace.finance.exceptions.kind import ExceptionKind, WriteOff
from marketplace.ledger import chart

LATE_AFTER: Final = "5 days"

KIND: Final = ExceptionKind(
    code="payout_kept",
    sentence_fr="La banque a refusé le virement d’un abonné, a tout de même pris l’argent, et ne l’a pas rendu.",
    sentence_en="The bank refused a subscriber’s payout, took its money all the same, and has not brought it back.",
    advice_fr="Demandez à la banque de le rendre, puis rapprochez la ligne. Si elle dit avoir bien payé, deux personnes le passent en perte.",
    advice_en="Ask the bank to bring it back, then match the line. If it says that it did pay, two people write it off.",
    sql=f"""SELECT '' AS detail, id AS subject, id AS reference, '/finance/payout-runs/' || run AS path, amount_minor, at
           FROM ({KEPT_BY_BANK}) AS kept WHERE at < $2::timestamptz - interval '{LATE_AFTER}'""",
    write_off=WriteOff(chart.SUBSCRIBERS_IN_TRANSIT, credit_sign=-1),
    settled_by="payout_line",
)
