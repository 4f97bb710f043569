"""A release that this partner has a licence of has a later revision: the same period, counted or published anew."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="release_revised",
    subject=Words(fr="Une publication que vous avez est révisée", en="A release that you have is revised"),
    body=Words(
        fr="La période que vous avez achetée a une révision plus récente, que montre la page du jeu de données.",
        en="The period that you bought has a later revision, which the dataset’s page shows.",
    ),
    path="/datasets/{dataset}",
    name=Words(fr="Révision", en="Revision"),
    may_stop=True,
    readers="partner",
)
