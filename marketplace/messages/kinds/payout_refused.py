"""A payout came back: the money is the subscriber's again."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="payout_refused",
    subject=Words(fr="Votre versement n’a pas abouti", en="Your payout did not arrive"),
    body=Words(
        fr="Votre versement a été refusé ou renvoyé : la somme est de nouveau sur votre solde. Vérifiez vos coordonnées bancaires.",
        en="Your payout was refused or returned: the amount is in your balance again. Please check your bank details.",
    ),
    path="/earnings/bank-details",
    by_post=True,
    readers="subscriber",
)
