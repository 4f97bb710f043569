"""A partner was reminded several times, and did not confirm that it deleted its copies of what was called back."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="deletion_missing",
    subject=Words(fr="Une suppression n’est pas confirmée", en="A deletion is not confirmed"),
    body=Words(
        fr="{company} n’a pas confirmé la suppression de ses copies pour la commande {order}, malgré plusieurs relances.",
        en="{company} did not confirm that it deleted its copies of order {order}, although it was reminded several times.",
    ),
    path="/staff/deletions",
    readers="steward",
)
