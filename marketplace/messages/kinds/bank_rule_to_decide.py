"""Somebody proposed a rule that books bank lines: another person of finance decides."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="bank_rule_to_decide",
    subject=Words(fr="Une règle bancaire attend votre décision", en="A rule for bank lines waits for your decision"),
    body=Words(
        fr="Une personne propose une règle qui comptabilise des lignes bancaires : une autre doit l’approuver ou la refuser.",
        en="Somebody proposes a rule that books bank lines: another person has to approve or refuse it.",
    ),
    path="/finance/bank/rules",
    name=Words(fr="Règle bancaire à décider", en="Rule for bank lines to decide"),
    may_stop=True,
    readers="finance",
)
