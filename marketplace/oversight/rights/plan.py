"""The plan for a breach of personal data: steps, people to notify, and deadlines; the same for a drill."""

from __future__ import annotations

import datetime as dt
from typing import Final

from msgspec import Struct

from marketplace.core.words import Words

HOURS: Final = 72
"""Hours from becoming aware until the authority has to be notified: article 33 of the GDPR."""
CLOSE: Final = "close"


class Step(Struct, frozen=True):
    """A step: its action, and the people concerned or the deadline."""

    code: str
    title: Words
    how: Words


STEPS: Final = {
    one.code: one
    for one in (
        Step(
            "contain",
            Words("Stop the leak"),
            Words("End sessions, revoke keys, remove access, change secrets: say which."),
        ),
        Step(
            "officer",
            Words("Notify the data-protection officer and the management"),
            Words("At once, by telephone."),
        ),
        Step(
            "assess",
            Words("Assess: who, what, how many, which risk"),
            Words("People and data affected, likely consequences, measures. The record says what each table has."),
        ),
        Step(
            "authority",
            Words("Notify the authority (CNIL), or decide not to"),
            Words("Within 72 hours, at notifications.cnil.fr, unless no risk is likely; say why."),
        ),
        Step(
            "people",
            Words("Notify the people, or decide not to"),
            Words("Without delay where the risk is high: what happened, what they can do, and where to write."),
        ),
        Step(
            "others",
            Words("Notify others: partners, processors, insurer, police"),
            Words("Those it concerns, and nobody else."),
        ),
        Step(
            CLOSE,
            Words("Close it and learn from it"),
            Words("Cause, what changes, who does it."),
        ),
    )
}
"""In order; the last one closes the incident."""


def due_at(known_at: dt.datetime) -> dt.datetime:
    """Return the deadline for notifying the authority."""
    return known_at + dt.timedelta(hours=HOURS)


def hours_left(known_at: dt.datetime, now: dt.datetime) -> int:
    """Return how many whole hours are left to notify the authority; negative after the deadline."""
    return (due_at(known_at) - now) // dt.timedelta(hours=1)
