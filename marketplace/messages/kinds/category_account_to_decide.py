"""Somebody proposed an account for a category of Stripe's: another person of finance decides."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="category_account_to_decide",
    subject=Words(fr="Une affectation attend votre décision", en="An account waits for your decision"),
    body=Words(
        fr="Une personne propose un compte pour une catégorie de mouvements Stripe : une autre doit l’approuver ou le refuser.",
        en="Somebody proposes an account for a category of Stripe’s: another person has to approve or refuse it.",
    ),
    path="/finance/categories",
    name=Words(fr="Compte à attribuer", en="Account to decide"),
    may_stop=True,
    readers="finance",
)
