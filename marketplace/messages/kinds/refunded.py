"""Money of an order is returned, with a credit note."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="refunded",
    subject=Words(fr="Votre commande est remboursée", en="Your order is refunded"),
    body=Words(
        fr="Votre commande {order} est remboursée, en tout ou en partie. L’avoir est sur la page de la commande.",
        en="Your order {order} is refunded, in whole or in part. The credit note is on the order’s page.",
    ),
    path="/orders/{id}",
    by_post=True,
    readers="partner",
)
