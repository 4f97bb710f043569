"""Who subscribers are, at rest: their names and emails lie sealed in the vault, and an email is found by its keyed fingerprint.

Whoever reads the database alone sees a pseudonymous line with a password's hash, and not whose it is. Partners' and
staff's names are part of the books and stay readable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.database import execute, fetch, transaction
from marketplace.identity import vault

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    import asyncpg

SEALED: Final = "@sealed"
"""Ends what stands in place of a sealed email: no domain is without a dot."""
AT_ONCE: Final = 1000


def stored_as(email: str) -> list[str]:
    """Return everything that `person.email` may hold for this email: itself, or its fingerprint under any key of ours."""
    return [email, *(f"{mark}{SEALED}" for mark in vault.fingerprints(email))]


def seal(person: uuid.UUID, line: int, email: str, name: str) -> tuple[str, str, str, bytes]:
    """Return what a subscriber's row holds: email, name, the key's id, and both sealed."""
    key_id, sealed = vault.seal({"email": email, "name": name}, person, line)
    return f"{vault.fingerprint(email)}{SEALED}", "", key_id, sealed


def unseal(row: asyncpg.Record | Mapping[str, Any]) -> dict[str, Any]:
    """Return a person's row with name and email readable; it has `id`, `subscriber`, `sealed` and `key_id`."""
    found = dict(row)
    sealed, key_id = found.pop("sealed"), found.pop("key_id")
    return found if sealed is None else found | vault.unseal(key_id, sealed, found["id"], found["subscriber"])


async def keep_names() -> int:
    """Seal the subscribers that are not, or whom an older key sealed; a job. Return how many."""
    kept = 0
    while done := await _seal_some():
        kept += done
    return kept


async def _seal_some() -> int:
    async with transaction():
        rows = await fetch(
            """SELECT id, subscriber, email, name, sealed, key_id FROM person
               WHERE subscriber IS NOT NULL AND key_id IS DISTINCT FROM $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED""",
            vault.current_key(), AT_ONCE,
        )  # fmt: skip
        anew = [seal(row["id"], row["subscriber"], row["email"], row["name"]) for row in map(unseal, rows)]
        await execute(
            """UPDATE person SET email = anew.email, name = anew.name, key_id = anew.key_id, sealed = anew.sealed
               FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[])
                    AS anew (id, email, name, key_id, sealed) WHERE person.id = anew.id""",
            [row["id"] for row in rows], *([one[column] for one in anew] for column in range(4)),
        )  # fmt: skip
    return len(rows)
