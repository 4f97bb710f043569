"""Somebody proposed a credit limit, a provision or a bad debt: another person of finance decides."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="credit_to_decide",
    subject=Words(
        fr="Une proposition de crédit attend votre décision", en="A proposal about credit waits for a decision"
    ),
    body=Words(
        fr="Une personne propose une limite, une dépréciation ou un passage en perte : une autre doit l’approuver ou la refuser.",
        en="Somebody proposes a limit, a provision or a bad debt: another person has to approve or refuse it.",
    ),
    path="/finance/credit",
    name=Words(fr="Crédit à décider", en="Credit to decide"),
    may_stop=True,
    readers="finance",
)
