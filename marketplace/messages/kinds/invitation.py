"""A colleague invites somebody to their company: the link joins it."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="invitation",
    subject=Words(fr="{company} vous invite sur Partage", en="{company} invites you to Partage"),
    body=Words(
        fr="Une personne de {company} vous invite à rejoindre son entreprise. Le lien est valable sept jours et ne sert qu’une fois.",
        en="Somebody at {company} invites you to join. The link is valid for seven days, and works once.",
    ),
    path="/join/{token}",
)
