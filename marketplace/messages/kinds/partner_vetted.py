"""A steward vetted the partner's company: it may buy from now on."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="partner_vetted",
    subject=Words(fr="Votre entreprise peut acheter", en="Your company may buy"),
    body=Words(
        fr="Votre entreprise {company} est vérifiée. Vous pouvez demander un prix pour chaque publication du catalogue.",
        en="Your company {company} is vetted. You can ask for the price of every release in the catalogue.",
    ),
    path="/catalogue",
)
