"""Webhooks to an address have ended, for the person who added it has left the company."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="webhook_left",
    subject=Words(fr="Une adresse de notification est retirée", en="An address for notifications is removed"),
    body=Words(
        fr="La personne qui avait ajouté l’adresse {url} a quitté votre entreprise : plus rien n’y est envoyé. "
        "Si elle est toujours à vous, ajoutez-la de nouveau ; ce qui manque est dans la liste des événements.",
        en="The person who added the address {url} has left your company: nothing more is posted to it. "
        "If it is still yours, add it again; what is missing is in the list of events.",
    ),
    path="/notifications",
    readers="partner",
)
