"""Somebody's switches were changed in the operator's app, in a shop, by telephone or by a receipt's link: they learn of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="consent_changed_elsewhere",
    subject=Words(fr="Vos choix ont été changés ailleurs qu’ici", en="Your choices were changed elsewhere than here"),
    body=Words(
        fr="Ce qui est compté de votre ligne a été changé dans l’application de l’opérateur, par son personnel ou par le lien d’un reçu ; vos reçus disent où et quand. Si ce n’est pas vous qui l’avez demandé, changez-le ici.",
        en="What is counted of your line was changed in the operator’s app, by its people or by a receipt’s link; your receipts say where and when. If you did not ask for it, change it here.",
    ),
    path="/my-data",
    readers="subscriber",
)
