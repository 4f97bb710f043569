"""Somebody proposed whether an offer is sold as principal or as agent: another person of finance decides."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="judgement_to_decide",
    subject=Words(
        fr="Principal ou agent : votre décision est attendue", en="Principal or agent waits for your decision"
    ),
    body=Words(
        fr="Une personne propose que nous vendions une offre comme principal ou comme agent : une autre doit l’approuver ou le refuser.",
        en="Somebody proposes that we sell an offer as principal or as agent: another person has to approve or refuse it.",
    ),
    path="/finance/business/roles",
    name=Words(fr="Principal ou agent", en="Principal or agent"),
    may_stop=True,
    readers="finance",
)
