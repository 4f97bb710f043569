"""A partner paid one release by two orders: the second payment goes back in full."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="paid_twice",
    subject=Words(fr="Un second paiement vous est rendu", en="A second payment goes back to you"),
    body=Words(
        fr="Vous aviez déjà payé ces données par la commande {first} : le paiement de {order} vous est rendu en entier.",
        en="You had paid for this data already with order {first}: all of the payment of {order} goes back to you.",
    ),
    path="/orders/{id}",
    by_post=True,
    readers="partner",
)
