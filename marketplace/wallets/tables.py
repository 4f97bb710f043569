"""Columns and constraints of what links a person with their wallet, and of a wallet's answers while they wait."""

from __future__ import annotations

from piccolo.columns import UUID, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import EVERYBODY, Ends, Erasure, PersonalData, of_a_person


class WalletLink(Table, db=DB, tablename="wallet_link"):
    """Who signs in when a wallet shows a subject: linked by the person, signed in here, and by nothing else."""

    personal_data = of_a_person("until removed")
    id = UUID(primary_key=True)
    subject = Text()
    """A hash, under the site's secret, of the issuer and of its own number for somebody; nothing else of a wallet is kept."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    linked_at = Timestamptz()
    subject_is_a_hash = Check("subject ~ '^[0-9a-f]{64}$'")
    one_person_a_subject = Unique([subject])
    one_wallet_each = Unique([person])


class WalletAnswer(Table, db=DB, tablename="wallet_answer"):
    """That a wallet has answered an attempt, and who it showed; the browser that began the attempt takes it once."""

    personal_data = PersonalData(
        EVERYBODY, "1 day", exported=False, erasure=Erasure.EXPIRES, ends=Ends("answered_at", 1)
    )
    attempt = Text(primary_key=True)
    """The hash of the attempt's `state`."""
    subject = Text()
    answered_at = Timestamptz()
    used = Boolean(default=False)
    subject_is_a_hash = Check("subject ~ '^[0-9a-f]{64}$'")
