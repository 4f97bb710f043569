"""A winner did not pay in time: the deposit is captured."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="deposit_captured",
    subject=Words(fr="Votre dépôt est encaissé", en="Your deposit was captured"),
    body=Words(
        fr="Vous n’avez pas payé à temps ce que vous aviez remporté : votre dépôt est encaissé, comme le prévoient les conditions de l’enchère.",
        en="You did not pay in time what you won: your deposit is captured, as the auction’s terms say.",
    ),
    path="/auctions/{auction}",
    by_post=True,
    readers="partner",
)
