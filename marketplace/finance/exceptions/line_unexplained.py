"""A bank line that nothing explains."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind, WriteOff

KIND: Final = ExceptionKind(
    code="line_unexplained",
    sentence_fr="Une ligne de la banque que rien n’explique : %(detail)s",
    sentence_en="The bank moved this, and nothing explains it: %(detail)s",
    advice_fr="Rapprochez-la d’un candidat, ventilez-la, ou laissez deux personnes la passer en pertes et profits.",
    advice_en="Match it with a candidate, split it, or let two people write it off.",
    sql="""SELECT coalesce(nullif(counterparty, ''), nullif(left(remittance, 80), ''), reference) AS detail, bank_line.id::text AS subject,
                  reference, '/finance/bank/lines/' || bank_line.id AS path, amount_minor,
                  booked_on::timestamp AT TIME ZONE 'Europe/Paris' AS at
           FROM bank_line WHERE NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)""",
    write_off=WriteOff(is_match=True),
    settled_by="line",
)
