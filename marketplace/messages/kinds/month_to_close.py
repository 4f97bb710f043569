"""Somebody proposed to close a month: another person of finance decides."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="month_to_close",
    subject=Words(
        fr="La clôture du mois {month} attend votre décision", en="The close of the month {month} waits for a decision"
    ),
    body=Words(
        fr="Une personne propose de clôturer ce mois, dont tous les contrôles sont bons : une autre doit l’approuver ou la refuser.",
        en="Somebody proposes to close this month, whose checks all pass: another person has to approve or refuse it.",
    ),
    path="/finance/periods",
    name=Words(fr="Mois à clôturer", en="Month to close"),
    may_stop=True,
    readers="finance",
)
