"""Write a message in the transaction of the fact it reports, and mark one as read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows, fetch_scalar, is_in_transaction
from marketplace.people.messages.queries import SQL, UnmailedMessage
from marketplace.people.messages.registry import KINDS
from marketplace.people.messages.rules import WITHOUT_INBOX

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Mapping, Sequence

    from marketplace.people.messages.rules import MessageKind, Recipient


async def send(kind: MessageKind, source_id: object, to: Sequence[Recipient], **details: str) -> None:
    """Write a message to each recipient, inside the transaction of the fact; the same fact again writes nothing.

    source_id: the fact's id. details: exactly the fields of the kind's words.
    """
    await send_each(kind, [(source_id, one, details) for one in to])


async def send_each(kind: MessageKind, facts: Sequence[tuple[object, Recipient, Mapping[str, str]]]) -> None:
    """Write a message for each fact: its id, its recipient, and the fields of the kind's words. As `send` otherwise."""
    assert is_in_transaction(), "a message is written in the transaction of its fact"
    assert kind.code in KINDS, f"{kind.code} is not registered"
    for _, to, details in facts:
        assert details.keys() == kind.fields(), f"a message of kind {kind.code} needs {sorted(kind.fields())}"
        assert not kind.has_secret or to.audience in WITHOUT_INBOX, f"{kind.code} is for mail alone"
    if facts:
        sources, audiences = [str(source) for source, _, _ in facts], [to.audience for _, to, _ in facts]
        filled = [msgspec.json.encode(details).decode() for _, _, details in facts]
        ids = [to.id for _, to, _ in facts]
        of_kind = "SELECT write_messages($1, $2, $3, $4, $5, $6)"
        await execute(of_kind, kind.code, clock.now(), sources, audiences, ids, filled)


async def claim_unmailed(limit: int) -> list[UnmailedMessage]:
    """Return the oldest messages without letters, and claim them in the caller's transaction, each once."""
    assert is_in_transaction(), "letters are written in the transaction that claims their messages"
    return await fetch_rows(UnmailedMessage, SQL["claim_unmailed"], limit)


async def drop_unmailed(to: Recipient) -> None:
    """Cancel unsent mail to a recipient whose address now belongs to someone else.

    Waits for a worker that is writing letters for it; delete those afterwards.
    """
    await execute(
        """DELETE FROM message_to_mail USING message
           WHERE message.id = message_to_mail.message AND audience = $1 AND recipient = $2""",
        to.audience,
        to.id,
    )


async def drop_letters(messages: Sequence[uuid.UUID]) -> None:
    """Cancel the unsent mail of these messages; waits for a worker that is writing letters for some of them."""
    await execute("DELETE FROM message_to_mail WHERE message = ANY($1)", list(messages))


async def delete_messages(messages: Sequence[uuid.UUID], before: dt.datetime) -> int:
    """Delete those of these messages that are older than an instant, with their readers; return how many."""
    return await fetch_scalar(int, "SELECT delete_old_messages($1, $2)", list(messages), before) or 0


async def delete_messages_to(person: uuid.UUID) -> None:
    """Delete the messages to a person alone, whose letters are deleted; a company's and a line's stay."""
    await execute(
        """SELECT delete_old_messages(
               ARRAY(SELECT id FROM message WHERE audience IN ('person', 'mailbox') AND recipient = $1), 'infinity'
           )""",
        str(person),
    )


async def mark_read(messages: Sequence[uuid.UUID], reader: uuid.UUID) -> None:
    """Record that a person has read these messages; repeating it changes nothing."""
    await execute(
        """INSERT INTO message_read (message, reader, read_at) SELECT id, $2, $3 FROM unnest($1::uuid[]) AS given (id)
           ON CONFLICT DO NOTHING""",
        list(messages),
        reader,
        clock.now(),
    )
