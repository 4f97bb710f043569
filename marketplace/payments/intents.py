"""Intents: what Stripe is to be asked, written in the transaction of the change that wants it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from marketplace.database import DB, execute, fetch_value

if TYPE_CHECKING:
    import datetime as dt


async def intend(
    command: uuid.UUID, verb: str, subject: uuid.UUID, parameters: dict[str, Any], now: dt.datetime
) -> None:
    """Write a command for a worker, once an id."""
    assert DB.current_transaction.get() is not None, "an intent is committed with what wants it"
    await execute(
        """INSERT INTO stripe_command (id, verb, subject, parameters, state, attempts, generation, next_at, created_at)
           VALUES ($1, $2, $3, $4, 'pending', 0, 0, $5, $5) ON CONFLICT (id) DO NOTHING""",
        command, verb, subject, json.dumps(parameters), now,
    )  # fmt: skip


async def find_command(subject: uuid.UUID, *verbs: str) -> uuid.UUID | None:
    """Return the latest command of one of these verbs for a subject."""
    found = await fetch_value(
        "SELECT id FROM stripe_command WHERE subject = $1 AND verb = ANY ($2) ORDER BY created_at DESC, id LIMIT 1",
        subject, list(verbs),
    )  # fmt: skip
    return uuid.UUID(str(found)) if found else None
