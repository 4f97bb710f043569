"""A deposit is released: nothing of it was charged."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="deposit_released",
    subject=Words(fr="Votre dépôt est libéré", en="Your deposit is released"),
    body=Words(
        fr="L’enchère est terminée pour vous : votre dépôt est libéré, rien n’en a été prélevé.",
        en="The auction is over for you: your deposit is released, and nothing of it was charged.",
    ),
    path="/auctions/{auction}",
    name=Words(fr="Dépôt libéré", en="Deposit released"),
    may_stop=True,
    readers="partner",
)
