"""The messages of this district, about what finance decides."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

EXCEPTION_ASSIGNED: Final = MessageKind(
    "exception_assigned",
    "/finance/exception?why={why}&subject={subject}",
    subject=Words(fr="Un écart vous est confié", en="An exception is assigned to you"),
    fr="Un ou une collègue vous confie un écart : sa page dit de quoi il s’agit et ce qui en a été dit.",
    en="A colleague assigned an exception to you: its page says what it is about and what was said of it.",
    readers="finance",
    may_stop=Words(fr="Écart confié", en="Exception assigned"),
)
