"""An order's invoice is issued."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="invoice_issued",
    subject=Words(fr="Votre facture est disponible", en="Your invoice is ready"),
    body=Words(
        fr="La facture de votre commande {order} est disponible sur la page de la commande.",
        en="The invoice of your order {order} is on the order’s page.",
    ),
    path="/orders/{id}",
    by_post=True,
    readers="partner",
)
