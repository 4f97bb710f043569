"""Somebody proposed to write an exception off: another person of finance decides."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="write_off_to_decide",
    subject=Words(fr="Un écart attend votre décision", en="An exception waits for your decision"),
    body=Words(
        fr="Une personne propose de passer un écart en perte ou en profit : une autre doit l’approuver ou le refuser.",
        en="Somebody proposes to write an exception off: another person has to approve or refuse it.",
    ),
    path="/finance/write-offs",
    name=Words(fr="Écart à décider", en="Exception to decide"),
    may_stop=True,
    readers="finance",
)
