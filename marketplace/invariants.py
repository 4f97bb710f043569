"""What must always be true: a sentence, and the SQL that names whoever breaks it. A job and every database test sweep it.

Each lives here only because no type, CHECK, key or trigger can hold it.
"""

from __future__ import annotations

from marketplace.database import fetch

INVARIANTS: dict[str, str] = {}


async def broken() -> list[str]:
    """Return one line for every offender of every invariant; empty when all is well."""
    return [f"{sentence}: {dict(row)}" for sentence, sql in INVARIANTS.items() for row in await fetch(sql)]
