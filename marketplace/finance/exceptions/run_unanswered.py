"""A payout run that the bank has had for five days and has not paid whole; it has its own account and course."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

LATE_AFTER: Final = "5 days"

KIND: Final = ExceptionKind(
    code="run_unanswered",
    sentence_fr="Une campagne de versements a été envoyée à la banque, qui ne l’a pas encore toute payée.",
    sentence_en="A payout run was sent to the bank, which has not paid all of it yet.",
    advice_fr="Récupérez le compte rendu de la banque et son relevé. Un fichier que la banque a perdu peut être renvoyé : il porte le même nom et n’est payé qu’une fois.",
    advice_en="Fetch the bank’s report and its statement. A file the bank lost may be sent again: it has the same name and is paid once.",
    sql=f"""SELECT '' AS detail, id::text AS subject, 'PTR' || left(replace(id::text, '-', ''), 8) AS reference,
                  '/finance/payout-runs/' || id AS path, amount_minor, sent_at AS at
           FROM payout_run WHERE state = 'sent' AND sent_at < $2::timestamptz - interval '{LATE_AFTER}'""",
    blocks_close=False,
)
