"""A release that this partner has a licence of was called back."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="release_recalled",
    subject=Words(
        fr="Une publication que vous avez achetée est rappelée", en="A release that you bought was called back"
    ),
    body=Words(
        fr="La publication de votre commande {order} est rappelée : cessez de l’utiliser. La raison et ce que vous pouvez demander sont sur la page de la commande.",
        en="The release of your order {order} was called back: stop using it. The reason, and what you can ask for, are on the order’s page.",
    ),
    path="/orders/{id}",
    by_post=True,
    readers="partner",
)
