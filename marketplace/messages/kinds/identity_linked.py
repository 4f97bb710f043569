"""A person's account was linked with an identity at a provider: should it not have been them, they hear of it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="identity_linked",
    subject=Words(
        fr="Votre compte a été relié à un fournisseur d’identité",
        en="Your account was linked with an identity provider",
    ),
    body=Words(
        fr="Depuis le {at}, on peut se connecter à votre compte avec {provider}. Si ce n’était pas vous, supprimez ce"
        " lien et changez votre mot de passe dès maintenant.",
        en="Since {at}, your account can be signed in to with {provider}. If it was not you, remove this link and"
        " change your password now.",
    ),
    path="/profile/identities",
)
