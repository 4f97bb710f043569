"""A partner did not confirm yet that it deleted its copies of what was called back."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="deletion_due",
    subject=Words(fr="Confirmez la suppression de vos copies", en="Confirm that your copies are deleted"),
    body=Words(
        fr="La publication de votre commande {order} a été rappelée. Supprimez vos copies, puis confirmez-le sur la page de la commande.",
        en="The release of your order {order} was called back. Delete your copies, then confirm it on the order’s page.",
    ),
    path="/orders/{id}",
    readers="partner",
)
