"""A steward refused the partner's company, with a reason."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="partner_refused",
    subject=Words(fr="Votre entreprise n’est pas acceptée", en="Your company was not accepted"),
    body=Words(
        fr="Nous ne pouvons pas accepter {company} pour l’instant. Motif : {reason}",
        en="We cannot accept {company} for now. Reason: {reason}",
    ),
    path="/company",
)
