"""A bank statement that does not begin where the one before it ended."""

from __future__ import annotations

from typing import Final

from marketplace.bank.queries import GAPS
from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind

KIND: Final = ExceptionKind(
    code="statement_gap",
    sentence_fr="Il manque un relevé bancaire avant celui-ci : %(detail)s.",
    sentence_en="A bank statement is missing before this one: %(detail)s.",
    advice_fr="Demandez à la banque le relevé manquant et importez-le.",
    advice_en="Ask the bank for the missing statement and import it.",
    sql=f"""SELECT before_id AS detail, iban || ' ' || statement_id AS subject, statement_id AS reference, '/finance/bank' AS path,
                  missing_minor AS amount_minor, opened_on::timestamp AT TIME ZONE 'Europe/Paris' AS at
           FROM ({GAPS}) AS gap""",
    write_off=ACKNOWLEDGED,
)
