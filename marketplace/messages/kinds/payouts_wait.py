"""A person of finance has payouts to an account wait, because many lines want their money there."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="payouts_wait",
    subject=Words(fr="Vos versements attendent une vérification", en="Your payouts wait for a check"),
    body=Words(
        fr="De nombreuses lignes demandent leur argent sur le même compte ou depuis le même navigateur que la vôtre. Une personne du service financier vérifie ; d’ici là, rien n’est versé sur ce compte et rien n’est perdu. Si c’est une erreur, écrivez-nous par la page d’aide.",
        en="Many lines want their money at the same account, or from the same browser, as yours. A person of finance checks it; until then nothing is paid to this account, and nothing is lost. If it is a mistake, write to us on the help page.",
    ),
    path="/earnings/bank-details",
    by_post=True,
    readers="subscriber",
)
