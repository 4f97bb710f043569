"""A release of a subscription fell short of what was sold: what inboxes of before say. Those of today name the promise."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="service_credited",
    subject=Words(fr="Un avoir sur votre commande {number}", en="A credit on your order {number}"),
    body=Words(
        fr="Une publication de votre abonnement est venue tard, ou couvre moins de monde que promis : une part de son prix vous est rendue, avec son avoir.",
        en="A release of your subscription came late, or covers fewer people than promised: a part of its price goes back to you, with its credit note.",
    ),
    path="/orders/{id}",
    readers="partner",
)
