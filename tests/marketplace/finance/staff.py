"""Two finance clerks and an auditor, as actors."""

from __future__ import annotations

import uuid

from marketplace import clock
from marketplace.database import execute
from marketplace.identity.actors import Actor


async def hire(name: str, role: str = "finance") -> Actor:
    """Make someone of the staff."""
    person = uuid.uuid4()
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, staff_role, created_at)
           VALUES ($1, $2, $3, 'x', 'en', $4, $5)""",
        person, f"{person}@staff.example", name, role, clock.now(),
    )  # fmt: skip
    return Actor(name=name, person=person, role=role)
