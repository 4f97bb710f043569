"""A payout run waits for finance: to be looked through, or to be approved by a second person."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="run_to_approve",
    subject=Words(fr="Une campagne de versements vous attend", en="A payout run waits for you"),
    body=Words(
        fr="Une campagne de versements est prête : une personne la relit, une autre l’approuve.",
        en="A payout run is ready: one person looks through it, another approves it.",
    ),
    path="/finance/payout-runs/{run}",
    name=Words(fr="Campagne de versements à décider", en="Payout run to decide"),
    may_stop=True,
    readers="finance",
)
