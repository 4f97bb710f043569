"""What a partner won is not paid, and its time to pay ends within a day."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="payment_due",
    subject=Words(fr="Votre paiement est attendu d’ici demain", en="Your payment is due within a day"),
    body=Words(
        fr="Ce que vous avez remporté aux enchères n’est pas encore payé. Passé le délai, le lot va à un autre et le dépôt éventuel est encaissé.",
        en="What you won in an auction is not paid yet. After its time the lot goes to somebody else, and a deposit is captured.",
    ),
    path="/auctions/{auction}",
    readers="partner",
)
