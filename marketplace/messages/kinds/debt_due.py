"""A winner did not pay in time, and its deposit does not cover what it owes for that: it can be paid on a page."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="debt_due",
    subject=Words(fr="Une enchère remportée n’a pas été payée", en="You owe for an award that was not paid"),
    body=Words(
        fr="Vous n’avez pas payé à temps ce que vous aviez remporté, et cela s’est vendu moins cher : vous devez la différence. Elle est prélevée sur votre moyen de paiement enregistré ; à défaut, réglez-la sur la page de l’enchère. Vous pourrez de nouveau enchérir une fois cette somme payée, et le délai prévu par l’enchère passé.",
        en="You did not pay in time what you won, and it was sold for less: you owe the difference. It is charged to your saved payment method; where that fails, pay it on the auction’s page. You may bid again once you have paid it, and once the time that the auction’s terms state is over.",
    ),
    path="/auctions/{auction}",
    by_post=True,
    readers="partner",
)
