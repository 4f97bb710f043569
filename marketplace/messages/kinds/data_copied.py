"""A copy of all data about a person was handed out: should it not have been to them, they hear of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="data_copied",
    subject=Words(fr="Une copie de vos données a été téléchargée", en="A copy of your data was downloaded"),
    body=Words(
        fr="Une copie de tout ce que nous savons de vous a été téléchargée le {at}. Si ce n’était pas vous, changez"
        " votre mot de passe dès maintenant et écrivez-nous.",
        en="A copy of all that we know about you was downloaded on {at}. If it was not you, change your password now"
        " and write to us.",
    ),
    path="/profile",
)
