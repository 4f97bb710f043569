"""A person wants to sign in with this address from now on: its mailbox confirms that it is theirs."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="confirm_new_address",
    subject=Words(fr="Confirmer votre nouvelle adresse", en="Confirm your new address"),
    body=Words(
        fr="Cette adresse a été donnée comme nouvelle adresse d’un compte chez Partage. Confirmez par le "
        "lien ci-dessous qu’elle est à vous. Si vous n’avez rien demandé, il n’y a rien à faire.",
        en="This address was given as the new address of an account at Partage. Confirm with the link below "
        "that it is yours. If you asked for nothing, there is nothing to do.",
    ),
    path="/address-change/new/{link}.{token}",
)
