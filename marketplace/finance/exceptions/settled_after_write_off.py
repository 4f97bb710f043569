"""A write-off in the books whose exception changed, or was settled, after two people approved it."""

from __future__ import annotations

from typing import Final

from marketplace.finance.exceptions.kind import ExceptionKind

KIND: Final = ExceptionKind(
    code="settled_after_write_off",
    sentence_fr="Deux personnes l’ont passé en perte ou profit, et depuis il est arrivé, a changé ou a été réglé : les comptes le comptent deux fois.",
    sentence_en="Two people wrote this off, and it came, changed or was settled since: the books count it twice.",
    advice_fr="Contre-passez l’écriture qui l’a soldé, sur la page de l’écriture ; tout ce qui reste ouvert apparaît alors de lui-même.",
    advice_en="Reverse the entry that wrote it off, on the entry’s page; everything that is still open is then listed by itself.",
    sql="""SELECT '' AS detail, entry::text AS subject, reference, '/finance/journal/' || entry AS path, amount_minor, decided_at AS at
           FROM written_off WHERE entry IS NOT NULL AND NOT EXISTS (
               SELECT FROM found WHERE found.why = written_off.why AND found.subject = written_off.subject
               AND found.amount_minor = written_off.amount_minor)""",
    after_write_offs=True,
)
