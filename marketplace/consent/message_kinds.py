"""The messages of this district, about purposes."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

CONSENT_ASKED_ANEW: Final = MessageKind(
    "consent_asked_anew",
    "/consent",
    subject=Words("A text that you agreed to has changed"),
    body=Words(
        "What you agreed to has changed: your line is no longer counted for this use. Read the new text; if you agree, it will be counted again. If not, you need to do nothing."
    ),
    readers="subscriber",
)
