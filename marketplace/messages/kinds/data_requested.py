"""A partner asks for data that is not for sale: a steward answers."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="data_requested",
    subject=Words(fr="Données demandées : {place}", en="Data asked for: {place}"),
    body=Words(
        fr="Un partenaire demande des données qui ne sont pas en vente ({place}). Proposez un jeu de données, ouvrez un appel, ou dites pourquoi ce n’est pas possible.",
        en="A partner asks for data that is not for sale ({place}). Offer a dataset, open a call, or say why it cannot be.",
    ),
    path="/steward/requests/{id}",
    readers="steward",
)
