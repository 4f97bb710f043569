"""An invoice is written off as a bad debt: its partner is sent the duplicate, which ends its right to deduct the VAT."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="invoice_unpaid",
    subject=Words(
        fr="Duplicata de la facture impayée de la commande {number}",
        en="Duplicate of the unpaid invoice of order {number}",
    ),
    body=Words(
        fr="Cette facture est demeurée impayée et nous l’avons passée en pertes. Voici son duplicata, que la loi nous fait vous envoyer : la taxe qu’il indique ne peut faire l’objet d’une déduction (article 272 du code général des impôts). La somme reste due ; si vous la payez, la taxe redevient déductible.",
        en="This invoice was left unpaid, and we wrote it off. Here is its duplicate, which the law has us send you: the VAT that it states may not be deducted (French general tax code, article 272). The sum is still owed; once you pay it, the VAT may be deducted again.",
    ),
    path="/to-pay/duplicate?order={id}",
    by_post=True,
    readers="partner",
)
