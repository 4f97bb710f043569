"""Somebody asked for another address for a person: their present mailbox agrees or refuses."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="agree_to_new_address",
    subject=Words(fr="Changer l’adresse de votre compte ?", en="Change your account’s address?"),
    body=Words(
        fr="Une nouvelle adresse a été demandée pour votre compte. Le lien ci-dessous permet de l’accepter "
        "ou de la refuser. Sans réponse de votre part sous sept jours, elle remplacera celle-ci. Si "
        "cette demande ne vient pas de vous, refusez-la sans attendre.",
        en="A new address was asked for your account. Accept or refuse it with the link below. Without an "
        "answer from you within seven days it takes the place of this one. If it was not you who asked, "
        "refuse it at once.",
    ),
    path="/address-change/old/{link}.{token}",
)
