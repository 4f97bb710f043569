"""A partner won an auction: what it won is to be paid by an instant."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="won",
    subject=Words(fr="Vous avez remporté une enchère", en="You won an auction"),
    body=Words(
        fr="Vous avez remporté une enchère. Le prix et la date limite de paiement sont sur sa page.",
        en="You won an auction. The price, and until when it is to be paid, are on its page.",
    ),
    path="/auctions/{auction}",
    readers="partner",
)
