"""What a person shows beside the password was changed: should it not have been them, they hear of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="factors_changed",
    subject=Words(fr="Votre second facteur a été modifié", en="Your second factor was changed"),
    body=Words(
        fr="Le {at}, une application, une clé d’accès ou des codes de secours ont été ajoutés à votre compte, ou en ont"
        " été retirés. Si ce n’était pas vous, changez votre mot de passe, retirez ce que vous ne reconnaissez pas et"
        " écrivez-nous dès maintenant.",
        en="On {at}, an app, a passkey or recovery codes were added to your account or removed from it. If it was not"
        " you, change your password, remove what you do not recognise and write to us now.",
    ),
    path="/profile/factors",
)
