"""A line's bank details were added, replaced or removed: its holder hears of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="bank_details_changed",
    subject=Words(fr="Vos coordonnées bancaires ont changé", en="Your bank details changed"),
    body=Words(
        fr="Les coordonnées bancaires de votre ligne ont été ajoutées, remplacées ou supprimées. Si ce n’est pas vous, changez votre mot de passe et écrivez-nous tout de suite.",
        en="The bank details of your line were added, replaced or removed. If that was not you, change your password and write to us at once.",
    ),
    path="/earnings/bank-details",
    by_post=True,
    readers="subscriber",
)
