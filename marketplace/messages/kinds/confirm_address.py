"""A person gave this address: the link shows that it is theirs."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="confirm_address",
    subject=Words(fr="Confirmer votre adresse", en="Confirm your address"),
    body=Words(
        fr="Cette adresse a été donnée pour un compte chez Partage. Confirmez par le lien ci-dessous qu’elle est à vous."
        " Si vous n’avez rien demandé, il n’y a rien à faire : sans votre confirmation, l’adresse reste libre.",
        en="This address was given for an account at Partage. Confirm with the link below that it is yours. If you asked"
        " for nothing, there is nothing to do: without your word the address stays free.",
    ),
    path="/confirm-address/{link}.{token}",
)
