"""Somebody signed in with a browser that had not been used for this account before."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="new_device",
    subject=Words(fr="Connexion avec un nouvel appareil", en="Signed in with a new device"),
    body=Words(
        fr="Quelqu’un s’est connecté à votre compte avec un navigateur qui n’avait pas encore servi, le {at}. Si ce"
        " n’était pas vous, changez votre mot de passe dès maintenant.",
        en="Somebody signed in to your account with a browser that was not used before, on {at}. If it was not you,"
        " change your password now.",
    ),
    path="/profile",
)
