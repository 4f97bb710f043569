"""A breach of personal data was found, or a drill of one begins: staff have 72 hours."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="incident_begun",
    subject=Words(fr="Données personnelles, {what} : {title}", en="Personal data, {what}: {title}"),
    body=Words(
        fr="Un plan en sept étapes est ouvert ; la CNIL doit être prévenue dans les 72 heures si un risque est à craindre."
        " Chaque étape se décide sur la page, avec un mot.",
        en="A plan of seven steps is open; the authority has to be notified within 72 hours if a risk is likely. Each step is"
        " decided on the page, with a word.",
    ),
    path="/staff/incidents/{id}",
    readers="steward",
)
