"""A dataset that this partner has a licence of has a newer release."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="new_release",
    subject=Words(fr="Une nouvelle publication est en vente", en="A new release is on sale"),
    body=Words(
        fr="Un jeu de données que vous avez acheté a une publication plus récente.",
        en="A dataset that you bought has a newer release.",
    ),
    path="/datasets/{dataset}",
    name=Words(fr="Nouvelle publication", en="New release"),
    may_stop=True,
    readers="partner",
)
