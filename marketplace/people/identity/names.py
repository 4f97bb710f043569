"""Subscribers' names and emails at rest: sealed in the vault, and found by a keyed fingerprint of the email.

A reader of the database alone sees a pseudonymous line with a password's hash, and no identity. Partners' and staff's
names are part of the books and stay readable.
"""

from __future__ import annotations

import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import execute, fetch_rows, transaction
from marketplace.core.statements import load_statements
from marketplace.people.identity import vault

SEALED: Final = "@sealed"
"""The end of the value that replaces a sealed email: every real domain has a dot."""
TABLE: Final = "person"
BATCH_SIZE: Final = 1000
SQL: Final = load_statements(__package__)


class SealedPerson(Struct, frozen=True):
    """A person's name and email as stored: sealed for a subscriber, readable for everyone else."""

    id: uuid.UUID
    subscriber: int | None
    email: str
    name: str
    sealed: bytes | None
    key_id: str | None


class Identity(Struct, frozen=True):
    """A person's name and email, readable."""

    name: str
    email: str


def stored_as(email: str) -> list[str]:
    """Return all values that `person.email` may have for this email: itself, or its fingerprint under any key."""
    return [email, *(f"{mark}{SEALED}" for mark in vault.fingerprints(email))]


def seal(person: uuid.UUID, line: int, email: str, name: str) -> tuple[str, str, str, bytes]:
    """Return a subscriber's stored values: email, name, the key's id, and both sealed."""
    key_id, sealed = vault.seal({"email": email, "name": name}, person, line, table=TABLE)
    return f"{vault.fingerprint(email)}{SEALED}", "", key_id, sealed


def unseal(person: SealedPerson) -> Identity:
    """Return a person's name and email, readable.

    If none of our keys opens them, the stored values are returned, without a name. So a signed-in person can still
    leave and be erased.
    """
    return _opened(person) or Identity(person.name, person.email)


def is_readable(identity: Identity) -> bool:
    """Return whether an identity was opened: its email is a real address and not the stored replacement."""
    return not identity.email.endswith(SEALED)


def _opened(person: SealedPerson) -> Identity | None:
    if person.sealed is None:
        return Identity(person.name, person.email)
    assert person.key_id is not None
    assert person.subscriber is not None
    content = vault.find_content(person.key_id, person.sealed, person.id, person.subscriber, table=TABLE)
    return None if content is None else Identity(content["name"], content["email"])


async def reseal_names() -> int:
    """Re-encrypt the subscribers that an older key sealed; a job. Return how many.

    A row that cannot be opened is logged and stays as it is.
    """
    resealed = 0
    last: uuid.UUID | None = uuid.UUID(int=0)
    while last is not None:
        count, last = await _reseal_batch(last)
        resealed += count
    return resealed


async def _reseal_batch(after: uuid.UUID) -> tuple[int, uuid.UUID | None]:
    """Re-encrypt the next people after this id; return how many, and the last id, or None when nobody was left."""
    async with transaction():
        people = await fetch_rows(SealedPerson, SQL["lock_people_to_reseal"], vault.current_key(), after, BATCH_SIZE)
        resealed = [
            (person.id, *seal(person.id, person.subscriber, identity.email, identity.name))
            for person in people
            if person.subscriber is not None and (identity := _opened(person))
        ]
        await execute(SQL["write_sealed_people"], *([row[column] for row in resealed] for column in range(5)))
    return len(resealed), people[-1].id if people else None
