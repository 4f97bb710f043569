"""A partner's subscription could not be paid and is paused."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="subscription_paused",
    subject=Words(fr="Votre abonnement à {dataset} est suspendu", en="Your subscription to {dataset} is paused"),
    body=Words(
        fr="Une publication de votre abonnement n’a pas pu être payée. Enregistrez un autre moyen de paiement, puis reprenez l’abonnement.",
        en="A release of your subscription could not be paid. Save another payment method, then go on with it.",
    ),
    path="/subscriptions/{id}",
    readers="partner",
)
