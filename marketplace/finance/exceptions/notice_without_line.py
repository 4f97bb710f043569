"""A movement that the bank announced and that no statement has, five days on: the bank forgot it, or a statement is missing."""

from __future__ import annotations

from typing import Final

from marketplace.bank.notices import AWAITED
from marketplace.finance.exceptions.kind import ACKNOWLEDGED, ExceptionKind

LATE_AFTER: Final = "5 days"

KIND: Final = ExceptionKind(
    code="notice_without_line",
    sentence_fr="La banque a annoncé ce mouvement, et aucun relevé ne le porte.",
    sentence_en="The bank announced this movement, and no statement has it.",
    advice_fr="Importez le relevé de son jour ; s’il n’y est pas, demandez à la banque.",
    advice_en="Import the statement of its day; where it is not there, ask the bank.",
    sql=f"""SELECT '' AS detail, id::text AS subject, reference, '/finance/bank' AS path, amount_minor,
                  booked_on::timestamp AT TIME ZONE 'Europe/Paris' AS at
           FROM ({AWAITED}) AS awaited WHERE booked_on < ($2::timestamptz - interval '{LATE_AFTER}')::date""",
    write_off=ACKNOWLEDGED,
)
