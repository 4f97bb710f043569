"""Somebody of finance was asked to see to an exception."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="exception_assigned",
    subject=Words(fr="Un écart vous est confié", en="An exception is assigned to you"),
    body=Words(
        fr="Un ou une collègue vous confie un écart : sa page dit de quoi il s’agit et ce qui en a été dit.",
        en="A colleague assigned an exception to you: its page says what it is about and what was said of it.",
    ),
    path="/finance/exception?why={why}&subject={subject}",
    name=Words(fr="Écart confié", en="Exception assigned"),
    may_stop=True,
    readers="finance",
)
