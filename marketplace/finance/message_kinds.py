"""The messages of this district, about what finance decides."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

EXCEPTION_ASSIGNED: Final = MessageKind(
    "exception_assigned",
    "/finance/exception?why={why}&subject={subject}",
    subject=Words("An exception is assigned to you"),
    body=Words("A colleague assigned an exception to you: its page says what it is about and what was said of it."),
    readers="finance",
    may_stop=Words("Exception assigned"),
)
