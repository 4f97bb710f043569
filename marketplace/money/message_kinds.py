"""The messages of this district, about credit and accounts."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

CREDIT_LIMIT_SET: Final = MessageKind(
    "credit_limit_set",
    "/to-pay",
    subject=Words(
        fr="Votre limite de paiement sur facture a changé", en="Your limit for paying on invoice has changed"
    ),
    fr="La page de ce que vous avez à payer indique la limite et ce qu’il en reste. Dans cette limite, les données sont à vous dès la commande, et la facture se paie par virement sous trente jours.",
    en="The page of what you have to pay says the limit and what is left of it. Within it, the data is yours with the order, and the invoice is paid by bank transfer within thirty days.",
    readers="partner",
)
CREDIT_DUE: Final = MessageKind(
    "credit_due",
    "/to-pay#{id}",
    subject=Words(fr="La facture de la commande {number} est échue", en="The invoice of order {number} is overdue"),
    fr="Le délai de paiement de trente jours est passé et nous n’avons pas reçu votre virement. Vingt et un jours après l’échéance, les données de la commande ne pourront plus être téléchargées, jusqu’au paiement.",
    en="The thirty days to pay are over, and your transfer has not reached us. Twenty-one days after it was due, the data of this order can no longer be downloaded, until it is paid.",
    readers="partner",
    by_post=True,
)
CREDIT_SUSPENDED: Final = MessageKind(
    "credit_suspended",
    "/to-pay#{id}",
    subject=Words(
        fr="Les données de la commande {number} sont suspendues", en="The data of order {number} is suspended"
    ),
    fr="Sa facture est échue depuis plus de vingt et un jours. Dès que votre virement nous parvient, les données peuvent de nouveau être téléchargées.",
    en="Its invoice has been overdue for more than twenty-one days. As soon as your transfer reaches us, the data can be downloaded again.",
    readers="partner",
    by_post=True,
)
INVOICE_UNPAID: Final = MessageKind(
    "invoice_unpaid",
    "/to-pay/duplicate?order={id}",
    subject=Words(
        fr="Duplicata de la facture impayée de la commande {number}",
        en="Duplicate of the unpaid invoice of order {number}",
    ),
    fr="Cette facture est demeurée impayée et nous l’avons passée en pertes. Voici son duplicata, que la loi nous fait vous envoyer : la taxe qu’il indique ne peut faire l’objet d’une déduction (article 272 du code général des impôts). La somme reste due ; si vous la payez, la taxe redevient déductible.",
    en="This invoice was left unpaid, and we wrote it off. Here is its duplicate, which the law has us send you: the VAT that it states may not be deducted (French general tax code, article 272). The sum is still owed; once you pay it, the VAT may be deducted again.",
    readers="partner",
    by_post=True,
)
