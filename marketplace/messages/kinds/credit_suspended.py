"""The data of an order cannot be downloaded: its invoice has been overdue for too long."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="credit_suspended",
    subject=Words(
        fr="Les données de la commande {number} sont suspendues", en="The data of order {number} is suspended"
    ),
    body=Words(
        fr="Sa facture est échue depuis plus de vingt et un jours. Dès que votre virement nous parvient, les données peuvent de nouveau être téléchargées.",
        en="Its invoice has been overdue for more than twenty-one days. As soon as your transfer reaches us, the data can be downloaded again.",
    ),
    path="/to-pay#{id}",
    by_post=True,
    readers="partner",
)
