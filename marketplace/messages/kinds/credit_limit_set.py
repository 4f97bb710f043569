"""Two people of finance decided up to what amount a partner may buy on invoice."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="credit_limit_set",
    subject=Words(
        fr="Votre limite de paiement sur facture a changé", en="Your limit for paying on invoice has changed"
    ),
    body=Words(
        fr="La page de ce que vous avez à payer indique la limite et ce qu’il en reste. Dans cette limite, les données sont à vous dès la commande, et la facture se paie par virement sous trente jours.",
        en="The page of what you have to pay says the limit and what is left of it. Within it, the data is yours with the order, and the invoice is paid by bank transfer within thirty days.",
    ),
    path="/to-pay",
    readers="partner",
)
