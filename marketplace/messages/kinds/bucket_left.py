"""A partner's bucket has ended, for the person who added it has left the company."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="bucket_left",
    subject=Words(fr="Votre dépôt est retiré", en="Your bucket is removed"),
    body=Words(
        fr="La personne qui avait ajouté {bucket} a quitté votre entreprise : plus rien n’y est déposé, et ses "
        "identifiants sont oubliés. S’il est toujours à vous, ajoutez-le de nouveau.",
        en="The person who added {bucket} has left your company: nothing more is put there, and its credentials are "
        "forgotten. If it is still yours, add it again.",
    ),
    path="/bucket",
    readers="partner",
)
