"""A partner is offered a dataset at a price of its own."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="private_offer_made",
    subject=Words(
        fr="Une offre pour votre seule entreprise : {dataset}", en="An offer to your company alone: {dataset}"
    ),
    body=Words(
        fr="Nous vous proposons ce jeu de données à un prix réservé à votre entreprise. La page de vos offres dit jusqu’à quand.",
        en="We offer you this dataset at a price for your company alone. The page of your offers says until when.",
    ),
    path="/private-offers",
    readers="partner",
)
