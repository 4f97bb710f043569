"""Somebody asks the operator for help: the question, and where to answer, are on its page."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="help_requested",
    subject=Words(fr="Question : {about}", en="Question: {about}"),
    body=Words(
        fr="Une personne vous écrit ({about}). Sa question et l’adresse où répondre sont sur sa page.",
        en="Somebody writes to you ({about}). The question, and where to answer it, are on its page.",
    ),
    path="/staff/questions/{id}",
    readers="steward",
)
