"""What messages there are, for tests beside the facts that write them."""

from __future__ import annotations

from marketplace.database import execute
from migrations.history import m0069_messages_of_facts
from tests.support.owner import as_owner
from tests.support.reads import fetch

ALL_BUT_FIRST_LETTERS = "SELECT kind FROM message WHERE kind <> 'confirm_address' ORDER BY kind"
"""Everybody who is added gets that one."""


async def kinds_written() -> list[str]:
    """Return the kinds of all messages, each as often as it was written, in order of the alphabet."""
    return [row["kind"] for row in await fetch(ALL_BUT_FIRST_LETTERS)]


async def catch_up() -> None:
    """Assert that the migration that writes the messages of former facts doubles none, and writes those that are missing."""
    moved = "SELECT kind, source_id, recipient, details FROM message WHERE kind = ANY ($1) ORDER BY 1, 2, 3"
    kinds = ["won", "deposit_released", "deposit_captured", "debt_due", "release_recalled", "new_release"]
    before = await fetch(moved, kinds)
    await execute(m0069_messages_of_facts.SQL)
    assert await fetch(moved, kinds) == before, "no doubles"
    for table in ("message_to_mail", "message_read", "message"):
        await as_owner(f"DELETE FROM {table}")
    await execute(m0069_messages_of_facts.SQL)
    after = await fetch(moved, kinds)
    assert after == before, ("as the facts themselves write them", after, before)
