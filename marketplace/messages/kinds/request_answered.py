"""A steward answered a partner's request for data."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="request_answered",
    subject=Words(fr="Votre demande de données a sa réponse", en="Your request for data is answered"),
    body=Words(
        fr="Nous avons répondu à une demande de données de votre entreprise.",
        en="We answered a request for data of your company.",
    ),
    path="/requests/{id}",
    readers="partner",
)
