"""Webhooks to an address of a partner's have ended: it said that it is gone, or did not answer for three days."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="webhook_disabled",
    subject=Words(fr="Une adresse de notification est désactivée", en="An address for notifications is disabled"),
    body=Words(
        fr="L’adresse {url} n’existe plus ou n’a pas répondu pendant trois jours : plus rien n’y est envoyé. "
        "Ajoutez-la de nouveau quand elle répond ; ce qui a manqué est dans la liste des événements.",
        en="The address {url} is gone or did not answer for three days: nothing more is posted to it. "
        "Add it again once it answers; what it missed is in the list of events.",
    ),
    path="/notifications",
    readers="partner",
)
