"""A partner claims that something is wrong with a purchase: one of the staff proposes, another decides."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="claim_filed",
    subject=Words(fr="Une réclamation porte sur la commande {number}", en="A claim about order {number}"),
    body=Words(
        fr="Un partenaire signale un défaut de ce qu’il a acheté. Les parts de cette vente attendent : une personne propose une décision, une autre l’approuve.",
        en="A partner says that something is wrong with what it bought. The shares of that sale wait: one person proposes a decision, another agrees.",
    ),
    path="/staff/claims",
    name=Words(fr="Réclamation à traiter", en="Claim to decide"),
    may_stop=True,
    readers="finance",
)
