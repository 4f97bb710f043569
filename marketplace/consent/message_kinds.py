"""The messages of this district, about purposes."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

CONSENT_ASKED_ANEW: Final = MessageKind(
    "consent_asked_anew",
    "/consent",
    subject=Words(fr="Un texte que vous aviez accepté a changé", en="A text that you agreed to has changed"),
    fr="Ce que vous aviez accepté a changé : votre ligne n’est plus comptée pour cet usage. Lisez le nouveau texte ; si vous l’acceptez, elle le sera à nouveau. Sinon, vous n’avez rien à faire.",
    en="What you agreed to has changed: your line is no longer counted for this use. Read the new text; if you agree, it will be counted again. If not, you need to do nothing.",
    readers="subscriber",
)
