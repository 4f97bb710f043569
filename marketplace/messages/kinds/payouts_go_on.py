"""Payouts to an account go on: a person of finance looked at it and found nothing wrong."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="payouts_go_on",
    subject=Words(fr="Vos versements reprennent", en="Your payouts go on"),
    body=Words(
        fr="La vérification est terminée : votre compte peut de nouveau recevoir vos versements, dès la prochaine campagne.",
        en="The check is over: your account can receive your payouts again, from the next run on.",
    ),
    path="/earnings/payouts",
    by_post=True,
    readers="subscriber",
)
