"""Two people decided a partner's claim."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="claim_answered",
    subject=Words(
        fr="Votre réclamation sur la commande {number} a sa réponse", en="Your claim about order {number} is answered"
    ),
    body=Words(
        fr="Deux personnes ont tranché ; leur réponse est sur la page de la réclamation. Si de l’argent vous est rendu, il est en route.",
        en="Two people decided; their answer is on the claim’s page. If money is given back, it is on its way.",
    ),
    path="/orders/{id}/claim",
    readers="partner",
)
