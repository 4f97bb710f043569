"""A release of a subscription covers fewer people than was sold: a part of its price goes back."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="service_credited_short",
    subject=Words(fr="Un avoir sur votre commande {number}", en="A credit on your order {number}"),
    body=Words(
        fr="Une publication de votre abonnement couvre moins de monde que promis : {covered_micro} des lignes consentent, {sold_micro} étaient vendus. Une part de son prix vous est rendue, avec son avoir.",
        en="A release of your subscription covers fewer people than promised: {covered_micro} of the lines consent, {sold_micro} were sold. A part of its price goes back to you, with its credit note.",
    ),
    path="/orders/{id}",
    readers="partner",
)
