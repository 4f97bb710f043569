"""Somebody's switches were changed for them in the operator's app, in a shop or by telephone: they learn of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="consent_changed_elsewhere",
    subject=Words(fr="Vos choix ont été changés ailleurs qu’ici", en="Your choices were changed elsewhere than here"),
    body=Words(
        fr="Ce qui est compté de votre ligne a été changé dans l’application de l’opérateur ou par son personnel ; le reçu dit où. Si ce n’est pas vous qui l’avez demandé, changez-le ici.",
        en="What is counted of your line was changed in the operator’s app or by its people; the receipt says where. If you did not ask for it, change it here.",
    ),
    path="/my-data",
    readers="subscriber",
)
