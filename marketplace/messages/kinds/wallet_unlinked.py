"""A person's account is no longer linked with their wallet: should it not have been them, they hear of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="wallet_unlinked",
    subject=Words(
        fr="Votre compte n’est plus relié à un portefeuille d’identité européen",
        en="Your account is no longer linked with a European identity wallet",
    ),
    body=Words(
        fr="Depuis le {at}, on ne peut plus se connecter à votre compte avec votre portefeuille. Si ce n’était pas"
        " vous, changez votre mot de passe dès maintenant, puis reliez-le de nouveau.",
        en="Since {at}, your account can no longer be signed in to with your wallet. If it was not you, change your"
        " password now, then link it again.",
    ),
    path="/profile/wallet",
)
