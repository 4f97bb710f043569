"""A job failed, or missed its slots."""

from __future__ import annotations

from typing import Final

from marketplace.messages.rules import MessageKind
from marketplace.words import Words

KIND: Final = MessageKind(
    code="job_late",
    subject=Words(fr="La tâche {job} est en retard ou échoue", en="The job {job} is late or fails"),
    body=Words(
        fr="La tâche planifiée {job} a échoué ou n’a pas tourné à l’heure. Elle est réessayée ; la personne qui exploite le site doit regarder son journal.",
        en="The scheduled job {job} failed, or did not run in time. It is tried again; the operator should look at its log.",
    ),
    path="/docs/reference/jobs",
    name=Words(fr="Tâche en retard ou en échec", en="Job late or failing"),
    may_stop=True,
    readers="steward",
)
