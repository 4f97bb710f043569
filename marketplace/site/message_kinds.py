"""The kinds of messages of this district, about jobs and payments."""

from __future__ import annotations

from typing import Final

from marketplace.core.words import Words
from marketplace.people.messages.rules import MessageKind

JOB_LATE: Final = MessageKind(
    "job_late",
    "/docs/reference/jobs",
    subject=Words(fr="La tâche {job} est en retard ou échoue", en="The job {job} is late or fails"),
    fr="La tâche planifiée {job} a échoué ou n’a pas tourné à l’heure. Elle est réessayée ; la personne qui exploite le site doit regarder son journal.",
    en="The scheduled job {job} failed, or did not run in time. It is tried again; the operator should look at its log.",
    readers="steward",
    may_stop=Words(fr="Tâche en retard ou en échec", en="Job late or failing"),
)
PAYMENT_DUE: Final = MessageKind(
    "payment_due",
    "/auctions/{auction}",
    subject=Words(fr="Votre paiement est attendu d’ici demain", en="Your payment is due within a day"),
    fr="Ce que vous avez remporté aux enchères n’est pas encore payé. Passé le délai, le lot va à un autre et le dépôt éventuel est encaissé.",
    en="What you won in an auction is not paid yet. After its time the lot goes to somebody else, and a deposit is captured.",
    readers="partner",
)
