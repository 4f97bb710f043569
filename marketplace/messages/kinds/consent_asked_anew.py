"""The text of a purpose that somebody consented to has changed: their consent has ended, and they are asked anew."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="consent_asked_anew",
    subject=Words(fr="Un texte que vous aviez accepté a changé", en="A text that you agreed to has changed"),
    body=Words(
        fr="Ce que vous aviez accepté a changé : votre ligne n’est plus comptée pour cet usage. Lisez le nouveau texte ; si vous l’acceptez, elle le sera à nouveau. Sinon, vous n’avez rien à faire.",
        en="What you agreed to has changed: your line is no longer counted for this use. Read the new text; if you agree, it will be counted again. If not, you need to do nothing.",
    ),
    path="/consent",
    readers="subscriber",
)
