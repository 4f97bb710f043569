"""Another partner's bid leads an auction that this partner led."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="outbid",
    subject=Words(fr="Votre enchère est dépassée", en="You are outbid"),
    body=Words(
        fr="Une autre offre est en tête de l’enchère que vous meniez. Vous pouvez enchérir jusqu’à sa clôture.",
        en="Another bid leads the auction that you led. You can bid until it closes.",
    ),
    path="/auctions/{auction}",
    name=Words(fr="Enchère dépassée", en="You are outbid"),
    may_stop=True,
    readers="partner",
)
