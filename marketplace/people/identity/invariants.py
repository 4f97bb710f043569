"""What must always be true of people: a sentence, and the SQL that names the offenders; swept with all the others."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant

PEOPLE: Final = (
    Invariant(
        "a partner that has people has one who administers it",
        """SELECT partner FROM person
           WHERE partner IS NOT NULL AND ended_at IS NULL
           GROUP BY partner HAVING bool_and(company_role <> 'administrator')""",
    ),
)
