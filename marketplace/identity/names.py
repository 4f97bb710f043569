"""Who subscribers are, at rest: their names and emails lie sealed in the vault, and an email is found by its keyed fingerprint.

Whoever reads the database alone sees a pseudonymous line with a password's hash, and not whose it is. Partners' and
staff's names are part of the books and stay readable.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

from marketplace.database import execute, fetch, transaction
from marketplace.identity import vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    import asyncpg

SEALED: Final = "@sealed"
"""Ends what stands in place of a sealed email: no domain is without a dot."""
TABLE: Final = "person"
AT_ONCE: Final = 1000


def stored_as(email: str) -> list[str]:
    """Return everything that `person.email` may hold for this email: itself, or its fingerprint under any key of ours."""
    return [email, *(f"{mark}{SEALED}" for mark in vault.fingerprints(email))]


def seal(person: uuid.UUID, line: int, email: str, name: str) -> tuple[str, str, str, bytes]:
    """Return what a subscriber's row holds: email, name, the key's id, and both sealed."""
    key_id, sealed = vault.seal({"email": email, "name": name}, person, line, table=TABLE)
    return f"{vault.fingerprint(email)}{SEALED}", "", key_id, sealed


def unseal(row: asyncpg.Record | Mapping[str, Any]) -> dict[str, Any]:
    """Return a person's row with name and email readable; it has `id`, `subscriber`, `sealed` and `key_id`.

    Where no key of ours opens it, it is as stored, without a name: whoever is signed in can still leave and be erased.
    """
    found = {column: value for column, value in row.items() if column not in {"sealed", "key_id"}}
    return found if row["sealed"] is None else found | (_opened(row) or {})


def _opened(row: asyncpg.Record | Mapping[str, Any]) -> dict[str, str] | None:
    return vault.find_content(row["key_id"], row["sealed"], row["id"], row["subscriber"], table=TABLE)


async def keep_names() -> int:
    """Seal the subscribers that are not, or whom an older key sealed; a job. Return how many.

    Who cannot be opened is named in the log and left as they are.
    """
    kept = 0
    last: uuid.UUID | None = uuid.UUID(int=0)
    while last is not None:
        done, last = await _seal_some(last)
        kept += done
    return kept


async def _seal_some(after: uuid.UUID) -> tuple[int, uuid.UUID | None]:
    """Seal the next people behind this id; return how many, and the last that was looked at, None where nobody was left."""
    async with transaction():
        rows = await fetch(
            """SELECT id, subscriber, email, name, sealed, key_id FROM person
               WHERE subscriber IS NOT NULL AND key_id IS DISTINCT FROM $1 AND id > $2
               ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED""",
            vault.current_key(), after, AT_ONCE,
        )  # fmt: skip
        read = [(row, row if row["sealed"] is None else _opened(row)) for row in rows]
        anew = [(row["id"], *seal(row["id"], row["subscriber"], who["email"], who["name"])) for row, who in read if who]
        await execute(
            """UPDATE person SET email = anew.email, name = anew.name, key_id = anew.key_id, sealed = anew.sealed
               FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[])
                    AS anew (id, email, name, key_id, sealed) WHERE person.id = anew.id""",
            *([one[column] for one in anew] for column in range(5)),
        )  # fmt: skip
    return len(anew), rows[-1]["id"] if rows else None
