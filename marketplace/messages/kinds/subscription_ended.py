"""A partner's subscription ordered all its releases."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="subscription_ended",
    subject=Words(fr="Votre abonnement à {dataset} est complet", en="Your subscription to {dataset} is complete"),
    body=Words(
        fr="Toutes les publications de votre abonnement sont commandées. Renouvelez-le, au prix du jour, pour recevoir les suivantes.",
        en="All releases of your subscription are ordered. Renew it, at the price of the day, to have the next ones.",
    ),
    path="/subscriptions/{id}",
    readers="partner",
)
