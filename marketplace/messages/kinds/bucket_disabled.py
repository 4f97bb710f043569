"""Nothing more is put into a partner's own bucket: it took nothing for three days."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="bucket_disabled",
    subject=Words(fr="Votre dépôt est désactivé", en="Your bucket is disabled"),
    body=Words(
        fr="{bucket} n’a rien accepté pendant trois jours : plus rien n’y est déposé, et ses identifiants sont oubliés. "
        "Ajoutez-le de nouveau quand il répond ; ce qui a manqué reste à télécharger sur la page de chaque commande.",
        en="{bucket} took nothing for three days: nothing more is put there, and its credentials are forgotten. "
        "Add it again once it answers; what it missed can be downloaded on each order’s page.",
    ),
    path="/bucket",
    readers="partner",
)
