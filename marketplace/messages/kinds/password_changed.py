"""A person's password was changed or reset: should it not have been them, they hear of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="password_changed",
    subject=Words(fr="Votre mot de passe a été changé", en="Your password was changed"),
    body=Words(
        fr="Votre mot de passe a été changé et toutes vos sessions ont pris fin. Si ce n’était pas vous, choisissez-en un"
        " autre dès maintenant.",
        en="Your password was changed, and all your sessions ended. If it was not you, choose another one now.",
    ),
    path="/reset",
)
