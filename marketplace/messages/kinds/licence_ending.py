"""A licence ends within 30 days."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="licence_ending",
    subject=Words(fr="Une de vos licences se termine bientôt", en="One of your licences ends soon"),
    body=Words(
        fr="La licence de votre commande {order} se termine dans moins de trente jours.",
        en="The licence of your order {order} ends in less than thirty days.",
    ),
    path="/orders/{id}",
    name=Words(fr="Fin prochaine d’une licence", en="A licence is about to end"),
    may_stop=True,
    readers="partner",
)
