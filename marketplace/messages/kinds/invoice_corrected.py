"""An invoice was cancelled by a credit note and issued anew under another number."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="invoice_corrected",
    subject=Words(fr="Votre facture est corrigée", en="Your invoice is corrected"),
    body=Words(
        fr="La facture de votre commande {order} a été annulée par un avoir et refaite sous un nouveau numéro. Vous n’avez rien à payer, et votre accès ne change pas.",
        en="The invoice of your order {order} was cancelled by a credit note and issued anew under another number. There is nothing to pay, and your access does not change.",
    ),
    path="/orders/{id}",
    by_post=True,
    readers="partner",
)
