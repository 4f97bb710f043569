"""Somebody asked for a new password: the link that sets one, to the person's own mailbox."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="password_reset",
    subject=Words(fr="Choisir un nouveau mot de passe", en="Choose a new password"),
    body=Words(
        fr="Un nouveau mot de passe a été demandé pour votre compte. Le lien ci-dessous permet de le choisir ; il est"
        " valable {minutes} minutes et ne sert qu’une fois. Si cette demande ne vient pas de vous, il n’y a rien à faire.",
        en="A new password was asked for your account. Choose it with the link below; it works for {minutes} minutes and"
        " once. If it was not you who asked, there is nothing to do.",
    ),
    path="/reset/{link}.{token}",
)
