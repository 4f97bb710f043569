"""Writing a message, in the transaction of the fact it reports, and marking one as read."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import msgspec

from marketplace import clock
from marketplace.database import execute, fetch_rows, is_in_transaction
from marketplace.messages.queries import SQL, UnmailedMessage
from marketplace.messages.registry import KINDS
from marketplace.messages.rules import WITHOUT_INBOX
from marketplace.messages.tables import Message, MessageToMail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.messages.rules import MessageKind, Recipient


async def send(kind: MessageKind, source_id: object, to: Sequence[Recipient], **details: str) -> None:
    """Write a message to each recipient, inside the transaction of the fact; the same fact again writes nothing.

    source_id: the fact's id. details: exactly the fields of the kind's words.
    """
    assert not kind.has_secret or all(one.audience in WITHOUT_INBOX for one in to), f"{kind.code} is for mail alone"
    assert is_in_transaction(), "a message is written in the transaction of its fact"
    assert kind.code in KINDS, f"{kind.code} is not registered"
    assert details.keys() == kind.fields(), f"a message of kind {kind.code} needs {sorted(kind.fields())}"
    now, filled = clock.now(), msgspec.json.encode(details).decode()
    messages = [
        Message(
            id=uuid.uuid4(),
            kind=kind.code,
            source_id=str(source_id),
            audience=one.audience,
            recipient=one.id,
            details=filled,
            created_at=now,
        )
        for one in to
    ]
    if messages:
        target = (Message.kind, Message.source_id, Message.audience, Message.recipient)
        written = await Message.insert(*messages).on_conflict(action="DO NOTHING", target=target).returning(Message.id)
        if written:
            await MessageToMail.insert(*(MessageToMail(message=row["id"]) for row in written))


async def claim_unmailed(limit: int) -> list[UnmailedMessage]:
    """Return the oldest messages that have no letters yet, and claim them in the caller's transaction: none is returned again."""
    assert is_in_transaction(), "letters are written in the transaction that claims their messages"
    return await fetch_rows(UnmailedMessage, SQL["claim_unmailed"], limit)


async def mark_read(messages: Sequence[uuid.UUID], reader: uuid.UUID) -> None:
    """Record that a person has read these messages; again changes nothing."""
    await execute(
        """INSERT INTO message_read (message, reader, read_at) SELECT id, $2, $3 FROM unnest($1::uuid[]) AS given (id)
           ON CONFLICT DO NOTHING""",
        list(messages),
        reader,
        clock.now(),
    )
