"""A person's account was linked with a European wallet: should it not have been them, they hear of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="wallet_linked",
    subject=Words(
        fr="Votre compte a été relié à un portefeuille d’identité européen",
        en="Your account was linked with a European identity wallet",
    ),
    body=Words(
        fr="Depuis le {at}, on peut se connecter à votre compte avec ce portefeuille. Si ce n’était pas vous, supprimez"
        " ce lien et changez votre mot de passe dès maintenant.",
        en="Since {at}, your account can be signed in to with this wallet. If it was not you, remove this link and"
        " change your password now.",
    ),
    path="/profile/wallet",
)
