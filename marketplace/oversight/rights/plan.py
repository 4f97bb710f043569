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
            Words(fr="Arrêter la fuite", en="Stop the leak"),
            Words(
                fr="Fermer des sessions, révoquer des clés, retirer des accès, changer des secrets : dites lesquels.",
                en="End sessions, revoke keys, remove access, change secrets: say which.",
            ),
        ),
        Step(
            "officer",
            Words(
                fr="Prévenir le délégué à la protection des données et la direction",
                en="Notify the data-protection officer and the management",
            ),
            Words(fr="Aussitôt, par téléphone.", en="At once, by telephone."),
        ),
        Step(
            "assess",
            Words(fr="Évaluer : qui, quoi, combien, quel risque", en="Assess: who, what, how many, which risk"),
            Words(
                fr="Personnes et données touchées, conséquences probables, mesures prises. Le registre dit ce que contient chaque table.",
                en="People and data affected, likely consequences, measures. The record says what each table has.",
            ),
        ),
        Step(
            "authority",
            Words(fr="Notifier la CNIL, ou décider que non", en="Notify the authority (CNIL), or decide not to"),
            Words(
                fr="Dans les 72 heures, sur notifications.cnil.fr, sauf si aucun risque n’est à craindre ; dire pourquoi.",
                en="Within 72 hours, at notifications.cnil.fr, unless no risk is likely; say why.",
            ),
        ),
        Step(
            "people",
            Words(fr="Prévenir les personnes, ou décider que non", en="Notify the people, or decide not to"),
            Words(
                fr="Sans tarder si le risque est élevé : ce qui s’est passé, ce qu’elles peuvent faire, à qui écrire.",
                en="Without delay where the risk is high: what happened, what they can do, and where to write.",
            ),
        ),
        Step(
            "others",
            Words(
                fr="Prévenir les autres : partenaires, sous-traitants, assureur, police",
                en="Notify others: partners, processors, insurer, police",
            ),
            Words(fr="Ceux que l’incident concerne, et eux seuls.", en="Those it concerns, and nobody else."),
        ),
        Step(
            CLOSE,
            Words(fr="Clore et tirer les leçons", en="Close it and learn from it"),
            Words(fr="Cause, ce qui change, qui s’en charge.", en="Cause, what changes, who does it."),
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
