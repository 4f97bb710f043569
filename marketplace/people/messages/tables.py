"""Columns and constraints of messages. A recipient is an opaque id; its address is read when a message is sent."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigSerial, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS, THIRTEEN_MONTHS, Ends, Erasure, Of, PersonalData


class Message(Table, db=DB, tablename="message"):
    """One message of one kind about one fact, to one recipient; append-only."""

    personal_data = PersonalData(
        (Of.PARTNER, Of.SUBSCRIBER, Of.STAFF),
        "13 months",
        exported=True,
        erasure=Erasure.PSEUDONYM,
        ends=Ends("created_at", THIRTEEN_MONTHS),
        find="""(audience, recipient) IN (
            ('person', me.person::text), ('partner', me.partner::text), ('line', me.line::text)
        ) AND created_at > me.since""",
        opened=("subject", "text"),
    )
    id = UUID(primary_key=True)
    kind = Text()
    """A code of `registry.KINDS`."""
    source_id = Text()
    """The id of the fact, which is reported once to each recipient."""
    audience = Text()
    """The kind of id in `recipient`: see `rules.Recipient`."""
    recipient = Text()
    details = JSONB()
    """The fields of the kind's words, and nothing more."""
    created_at = Timestamptz()
    reported_once = Unique([kind, source_id, audience, recipient])
    known_audience = Check("audience IN ('partner', 'person', 'line', 'role', 'mailbox', 'address')")


class MessageToMail(Table, db=DB, tablename="message_to_mail"):
    """A message without letters yet: written with the message, deleted by the worker that writes its letters."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    message = ForeignKey(Message, null=False, on_delete=OnDelete.restrict, unique=True)


class MessageRead(Table, db=DB, tablename="message_read"):
    """A person has read a message; a partner's message is read by each of its people."""

    personal_data = PersonalData(
        (Of.PARTNER, Of.SUBSCRIBER, Of.STAFF),
        "as long as its message",
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="reader = me.person",
    )
    id = BigSerial(primary_key=True)
    message = ForeignKey(Message, null=False, on_delete=OnDelete.restrict)
    reader = UUID()
    """The person; opaque here."""
    read_at = Timestamptz()
    read_once = Unique([message, reader])
