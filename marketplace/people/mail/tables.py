"""Columns and constraints of mail. A person is an opaque id here; the address is read when a letter is sent."""

from __future__ import annotations

from piccolo.columns import UUID, BigSerial, Bytea, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import Ends, Erasure, of_a_person
from marketplace.people.messages.tables import Message

UNTIL_ERASED = "until the person is erased"


class Letter(Table, db=DB, tablename="letter"):
    """One message by mail to one person, and how it ended. The Message-ID is made of its id."""

    personal_data = of_a_person(
        "90 days after it ended; at once when the person is erased", erasure=Erasure.EXPIRES, ends=Ends("ended_at", 90)
    )
    id = UUID(primary_key=True)
    message = ForeignKey(Message, null=False, on_delete=OnDelete.restrict)
    person = UUID(null=True, default=None)
    """The person it is for; null: the recipient is no person (an address, or an unclaimed line)."""
    created_at = Timestamptz()
    attempts = Integer(default=0)
    """How often a server was asked to accept it."""
    open_hand_overs = Integer(default=0)
    """How often the whole letter was given to a server without a recorded answer; it may have been accepted then."""
    next_at = Timestamptz(null=True, default=None)
    """When it is tried next, or when a worker's claim on it ends; null after it ended."""
    ended = Text(null=True, default=None)
    """How it ended, see `rules.Ending`; null while it is tried."""
    ended_at = Timestamptz(null=True, default=None)
    answer = Text(default="")
    """The code of the server's last refusal, such as `550 5.1.1`; no text, since that may contain the address."""
    printed_at = Timestamptz(null=True, default=None)
    """When it was written for the operator's printer instead of mail."""
    sealed_to = Bytea(null=True, default=None)
    """For the last letter to an erased person: the address and language, sealed for this row until it ended."""
    key_id = Text(null=True, default=None)
    """The key of PARTAGE_IDENTITY_KEYS that sealed it."""
    ends_once = Check("(ended IS NULL) = (ended_at IS NULL) AND (ended IS NULL) = (next_at IS NOT NULL)")
    known_ending = Check("ended IN ('sent', 'refused', 'bounced', 'unknown', 'expired', 'stopped', 'unreachable')")
    counts_are_not_negative = Check("attempts >= 0 AND open_hand_overs >= 0")


class MailStop(Table, db=DB, tablename="mail_stop"):
    """A person wants no mail of one kind; their inbox still has it."""

    personal_data = of_a_person(UNTIL_ERASED, erasure=Erasure.EXPIRES)
    id = BigSerial(primary_key=True)
    person = UUID()
    kind = Text()
    """A code of the registry of message kinds."""
    stopped_at = Timestamptz()
    stopped_once = Unique([person, kind])


class DeadAddress(Table, db=DB, tablename="dead_address"):
    """A server reported that a person's address receives nothing; another address of theirs is tried again."""

    personal_data = of_a_person(UNTIL_ERASED, erasure=Erasure.EXPIRES)
    person = UUID(primary_key=True)
    fingerprint = Text()
    """The keyed hash of the address; the record counts while the person has this address."""
    answer = Text()
    """The server's code."""
    found_at = Timestamptz()
