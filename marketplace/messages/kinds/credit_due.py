"""A partner did not pay an invoice in time: it is reminded, three times at most."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="credit_due",
    subject=Words(fr="La facture de la commande {number} est échue", en="The invoice of order {number} is overdue"),
    body=Words(
        fr="Le délai de paiement de trente jours est passé et nous n’avons pas reçu votre virement. Vingt et un jours après l’échéance, les données de la commande ne pourront plus être téléchargées, jusqu’au paiement.",
        en="The thirty days to pay are over, and your transfer has not reached us. Twenty-one days after it was due, the data of this order can no longer be downloaded, until it is paid.",
    ),
    path="/to-pay#{id}",
    by_post=True,
    readers="partner",
)
