"""A person signs in with another address from now on: the mailbox of the old one may undo it for a week."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="address_changed",
    subject=Words(fr="L’adresse de votre compte a changé", en="Your account’s address was changed"),
    body=Words(
        fr="Votre compte utilise désormais une autre adresse. Si ce changement ne vient pas de vous, le "
        "lien ci-dessous l’annule pendant sept jours et met fin à toutes les sessions.",
        en="Your account has another address now. If it was not you who changed it, the link below undoes "
        "it for seven days and ends every session.",
    ),
    path="/address-change/undo/{link}.{token}",
)
