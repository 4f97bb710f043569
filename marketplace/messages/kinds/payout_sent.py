"""A subscriber's payout reached their bank."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="payout_sent",
    subject=Words(fr="Votre versement est arrivé", en="Your payout has arrived"),
    body=Words(
        fr="Votre part vous a été versée. Le détail est sur la page de vos gains.",
        en="Your share was paid out to you. The details are on your earnings’ page.",
    ),
    path="/earnings",
    name=Words(fr="Versement effectué", en="Payout made"),
    may_stop=True,
    readers="subscriber",
)
